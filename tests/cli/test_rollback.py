"""`tritonrepo rollback` as its users meet it."""

from pathlib import Path

import pytest

from tests.repository.keys import CONFIG, make_pair, release_signed
from tests.repository.releases import NAME, candidate, contents, served
from tests.repository.releases import release as release_one
from tritonrepo.cli.main import main
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.signature import sign
from tritonrepo.repository.store.local import LocalStore


def release(root: Path, content: bytes, *names: str) -> None:
    with open_repository(root) as repository:
        repository.publish([candidate(repository, content, name=name) for name in names], keep=5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two models in two formats, at version 2, and one at version 1."""
    root = tmp_path / "models"
    four = ("cat_onnx", "cat_torchscript", "dog_onnx", "dog_onnx_fp16")
    release(root, b"one", *four, "new_onnx")
    release(root, b"two", *four)
    return root


def rollback(root: Path, *names: str) -> int:
    return main(["rollback", *names, "--repository", str(root)])


def at_one(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if served(root, path.name) == [1]} - {"new_onnx"}


def test_one_format(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rollback(root, "cat_onnx") == 0
    assert at_one(root) == {"cat_onnx"}
    assert capsys.readouterr().err == "cat_onnx: version 1 is served again\n"


def test_several_names_and_a_model_with_all_its_formats(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rollback(root, "dog", "cat_torchscript", "dog_onnx") == 0
    assert at_one(root) == {"cat_torchscript", "dog_onnx", "dog_onnx_fp16"}
    assert capsys.readouterr().err.count("is served again") == 3


@pytest.mark.parametrize(
    ("names", "status", "message"),
    [
        (["cat", "new_onnx"], 1, "new_onnx: holds 1 version(s); a rollback needs an older one"),
        (["cat", "cow"], 2, "cow: no such model; name a directory of the repository, or a model without its format"),
        (["cat", "../models/dog"], 2, "no such model"),
    ],
)
def test_all_or_nothing(
    names: list[str], status: int, message: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(root)
    assert rollback(root, *names) == status
    assert message in capsys.readouterr().err
    assert contents(root) == before
    assert not (root.parent / ".models.staging").exists()


def test_a_version_that_is_not_signed_is_not_gone_back_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused before the record moves, and before any server is told: none is there."""
    root, pair = tmp_path / "models", make_pair(tmp_path, "key")
    assert release_one(root, b"one", CONFIG, keep=5).version == 1
    assert release_signed(root, pair, b"two") == 2
    before = contents(root)
    words = ("--public-key", str(pair.public))
    assert rollback(root, NAME, *words, "--server", "127.0.0.1:9") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "nothing goes back: net_onnx, version 1: has no signature; sign it with: tritonrepo sign net_onnx --key FILE"
        in said
    )
    assert "127.0.0.1" not in said
    assert contents(root) == before
    sign(LocalStore(root), NAME, 1, pair.private)
    assert rollback(root, NAME, *words) == 0
    assert served(root) == [1]


def test_what_is_no_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rollback(tmp_path / "nothing", "cat") == 2
    assert "no such model repository" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../tiny_onnx", "/tiny_onnx"])
def test_it_takes_names_and_no_paths(name: str, root: Path) -> None:
    assert rollback(root, name) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--server", "ftp://host"],
        ["--server", "host:1", "--key", "absent"],
        ["--server", "dns:///host:1"],
        ["--server", "host:1", "--ca", __file__],
    ],
)
def test_the_servers_words_are_looked_at_before_a_record_moves(words: list[str], root: Path) -> None:
    before = contents(root)
    assert rollback(root, "cat_onnx", *words) == 2
    assert contents(root) == before


def test_nothing_goes_back_while_somebody_else_gives_servers_a_version(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rollback", "cat", "--repository", str(root), "--server", "127.0.0.1:9"]
    with LocalStore(root).hold("cat_torchscript"):
        assert main(words) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "cat_torchscript: another release or rollback of it is under way, and nothing was changed" in said
    assert at_one(root) == set()
