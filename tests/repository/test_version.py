"""One version: the file that its backend loads, and what the manifest says of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repository.faults import RELEASE, assert_found, edit_config, failures
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.repository.findings import Finding


def truncated(root: Path) -> None:
    path = root / "tiny_onnx/1/model.onnx"
    path.write_bytes(path.read_bytes()[:1000])


def changed_byte(root: Path) -> None:
    path = root / "tiny_torchscript/1/model.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def other_backend(root: Path) -> None:
    edit_config(root, 'backend: "onnxruntime"', 'backend: "pytorch"')


def no_artifact(root: Path) -> None:
    (root / "tiny_onnx/1/model.onnx").unlink()


def no_golden_images(root: Path) -> None:
    (root / "tiny_onnx/1/golden.npz").unlink()


def other_golden_images(root: Path) -> None:
    path = root / "tiny_onnx/1/golden.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize(
    ("plant", "subject", "words"),
    [
        (truncated, "tiny_onnx/1", "model.onnx has 1000 bytes"),
        (changed_byte, "tiny_torchscript/1", "model.pt is not what was published"),
        (other_backend, "tiny_onnx/1", "names the backend 'pytorch', the artifact is for 'onnxruntime'"),
        (no_artifact, "tiny_onnx/1", "onnxruntime needs model.onnx, the version holds no artifact"),
        (no_golden_images, "tiny_onnx/1", "golden.npz is gone, which the manifest names"),
        (other_golden_images, "tiny_onnx/1", "golden.npz is not what was published"),
    ],
)
def test_a_planted_fault_is_found(root: Path, plant: Callable[[Path], None], subject: str, words: str) -> None:
    plant(root)
    assert_found(root, subject, words)


def about_onnx(root: Path) -> list[Finding]:
    return [finding for finding in examine_repository(root, RELEASE) if "tiny_onnx" in finding.subject]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "manifest.json is not JSON"),
        ('{"schema": 7}', "manifest.json has the schema 7"),
        ('{"model": 3}', "expected str @ manifest.model"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_a_note(root: Path, text: str, words: str) -> None:
    (root / "tiny_onnx/1/manifest.json").write_text(text)
    _, note = found = about_onnx(root)
    assert [finding.level for finding in found] == ["ok", "note"]
    assert words in note.text
    assert "whether model.onnx is whole cannot be told" in note.text


def test_a_model_from_elsewhere_is_examined_as_far_as_it_goes(root: Path) -> None:
    (root / "tiny_onnx/1/manifest.json").unlink()
    _, note = found = about_onnx(root)
    assert [finding.level for finding in found] == ["ok", "note"]
    assert "manifest.json cannot be read: No such file" in note.text
    truncated(root)
    assert_found(root, "tiny_onnx/1", "model.onnx cannot be read")


def test_a_damaged_version_that_is_not_served_is_a_note(root: Path) -> None:
    shutil.copytree(root / "tiny_onnx/1", root / "tiny_onnx/2")
    (root / "tiny_onnx/2/model.onnx").write_bytes(b"junk")
    notes = [finding for finding in examine_repository(root, RELEASE) if finding.level == "note"]
    assert {finding.subject for finding in notes} == {"tiny_onnx/2"}
    assert all("the version policy leaves this version out" in finding.text for finding in notes)
    assert failures(root) == []
    edit_config(root, "versions: 1", "versions: [1, 2]")
    assert {subject for subject, _ in failures(root)} == {"tiny_onnx/2"}


def test_a_version_that_is_not_served_is_examined_by_its_own_configuration(root: Path) -> None:
    """That is what a rollback would serve it by."""
    shutil.copytree(root / "tiny_onnx/1", root / "tiny_onnx/2")
    edit_config(root, "dims: 10", "dims: 12", "tiny_onnx/1")
    edit_config(root, "versions: 1", "versions: 2")
    (note,) = [finding for finding in examine_repository(root, RELEASE) if finding.level == "note"]
    assert note.subject == "tiny_onnx/1"
    assert "12" in note.text
    assert failures(root) == []


@pytest.mark.parametrize(
    ("config", "files", "level"),
    [
        ('platform: "ensemble"', (), "ok"),
        ('backend: "python"', ("model.py",), "ok"),
        ('backend: "python"', (), "fail"),
        ('backend: "identity"', (), "ok"),
        ('backend: "dali"', ("model.dali",), "ok"),
        ('backend: "dali"', ("dali.py",), "ok"),
        ('backend: "dali"', (), "fail"),
        ('platform: "onnxruntime_onnx"', (), "fail"),
    ],
)
def test_each_backend_needs_its_own_files(tmp_path: Path, config: str, files: tuple[str, ...], level: str) -> None:
    (tmp_path / "m/1").mkdir(parents=True)
    (tmp_path / "m/config.pbtxt").write_text(config)
    for name in files:
        (tmp_path / "m/1" / name).touch()
    found = examine_repository(tmp_path, RELEASE)
    assert found[0].level == level
    assert [finding.level for finding in found].count("fail") == (level == "fail")
