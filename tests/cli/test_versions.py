"""`tritonrepo versions` as its users meet it."""

import json
from pathlib import Path

import pytest

from tests.repository.releases import candidate
from tritonrepo.cli.main import main
from tritonrepo.repository.publish import open_repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One model in two formats, and another; a version of the first is staged."""
    root = tmp_path / "models"
    with open_repository(root) as repository:
        for content in (b"one", b"two"):
            names = ("cat_onnx", "cat_torchscript", "dog_onnx")
            repository.publish([candidate(repository, content, name=name) for name in names], keep=5)
        repository.stage([candidate(repository, b"three", name="cat_onnx")])
    return root


def lines(root: Path, capsys: pytest.CaptureFixture[str], *names: str) -> list[dict[str, object]]:
    assert main(["versions", *names, "--repository", str(root), "--format", "json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_for_each_version(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(root, capsys, "cat_onnx")
    assert [(line["version"], line["status"]) for line in found] == [(1, "earlier"), (2, "served"), (3, "staged")]
    size = sum(path.stat().st_size for path in (root / "cat_onnx/1").iterdir())
    assert found[0] == {
        "model": "cat_onnx", "version": 1, "status": "earlier", "format": "onnx", "precision": "FP32",
        "weights": "seeded 0", "trained": False, "worst_difference": 1e-05, "top1_agreement": 1.0, "bytes": size,
        "signed": False, "created": "2026-11-25T00:00:00+00:00",
    }  # fmt: skip


def test_a_model_with_all_its_formats_or_all_models(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {line["model"] for line in lines(root, capsys, "cat")} == {"cat_onnx", "cat_torchscript"}
    assert len(lines(root, capsys, "cat", "cat_onnx")) == 5
    assert {line["model"] for line in lines(root, capsys)} == {"cat_onnx", "cat_torchscript", "dog_onnx"}


def test_a_table_for_people(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "dog_onnx/2/manifest.json").unlink()
    assert main(["versions", "--repository", str(root)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "onnx" in line]
    assert rows[1][:7] == ["cat_onnx", "2", "served", "onnx", "seeded", "0", "(untrained)"]
    assert rows[1][7:9] == ["1.0e-05", "100.0%"]
    assert rows[-1][:4] == ["dog_onnx", "2", "served", "-"]


@pytest.mark.parametrize(
    ("words", "message"), [(["cow"], "cow: no such model"), (["--repository", "nowhere"], "no such model repository")]
)
def test_what_is_not_there(root: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["versions", "--repository", str(root), *words]) == 2
    assert message in capsys.readouterr().err


def test_an_empty_repository_is_said_to_be_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As of an address with a slip in it: a bucket has no prefix that is not there."""
    for words in ([], ["--format", "json"]):
        assert main(["versions", "--repository", str(tmp_path), *words]) == 0
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == f"{tmp_path}: holds no version of a model; export one, or correct the address\n"
