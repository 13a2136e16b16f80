"""The doctor finds each fault that is planted in a repository, and nothing in a sound one."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.cli.test_export_gpu import FACTORY
from tritonrepo.cli.main import main, verb_parser
from tritonrepo.client.errors import UsageError
from tritonrepo.repository import doctor
from tritonrepo.repository.config import EngineOptions
from tritonrepo.repository.publish import Candidate, open_repository

RELEASE = "26.09"
BUILT_BY = (11, 4, 0, 106)


def plan(built_by: tuple[int, ...] = BUILT_BY, tag: bytes = b"ftrt") -> bytes:
    """The head of a TensorRT engine, which is all that can be had without a GPU."""
    return tag + bytes(20) + bytes(built_by) + bytes(100)


def publish_plan(root: Path, artifact: bytes, conversion: dict[str, Any]) -> None:
    with open_repository(root) as repository:
        path = repository.workspace("tiny_tensorrt") / "model.plan"
        path.write_bytes(artifact)
        config = 'name: "tiny_tensorrt"\nbackend: "tensorrt"\ndefault_model_filename: "model.plan"\n'
        manifest = {"format": "tensorrt", "conversion": conversion}
        repository.publish([Candidate("tiny_tensorrt", path, config, (), manifest)])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as the exporter publishes it: tiny_torchscript, tiny_onnx, and an engine of Triton's image."""
    directory = tmp_path_factory.mktemp("sound")
    (directory / "factory.py").write_text(FACTORY)
    root = directory / "model_repository"
    words = ["--model", f"{directory}/factory.py:tiny", "--max-batch-size", "4", "--repository", str(root)]
    assert main(["export", *words, "--formats", "torchscript,onnx"]) == 0
    publish_plan(
        root,
        plan(),
        {"tensorrt": "11.4.0.99", "triton_release": RELEASE, "compute_capability": "8.9", "hardware_compatible": True},
    )
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "model_repository"))


def failures(root: Path, release: str = RELEASE) -> list[tuple[str, str]]:
    found = doctor.examine_repository(root, release)
    assert all(finding.remedy for finding in found if finding.level != "ok"), "a finding without its remedy"
    return [(finding.subject, finding.text) for finding in found if finding.level == "fail"]


def test_a_sound_repository_has_one_good_line_for_each_model(root: Path) -> None:
    assert [(finding.level, finding.subject) for finding in doctor.examine_repository(root, RELEASE)] == [
        ("ok", "tiny_onnx"),
        ("ok", "tiny_tensorrt"),
        ("ok", "tiny_torchscript"),
    ]


def edit_manifest(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def wrong_tensorrt(root: Path) -> None:
    change = lambda manifest: manifest["conversion"].update(tensorrt="10.13.0.35")  # noqa: E731
    edit_manifest(root / "tiny_tensorrt/1/manifest.json", change)


def other_release(root: Path) -> None:
    change = lambda manifest: manifest["conversion"].update(triton_release="25.12")  # noqa: E731
    edit_manifest(root / "tiny_tensorrt/1/manifest.json", change)


def truncated_onnx(root: Path) -> None:
    path = root / "tiny_onnx/1/model.onnx"
    path.write_bytes(path.read_bytes()[:1000])


def changed_byte(root: Path) -> None:
    path = root / "tiny_torchscript/1/model.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def label_short(root: Path) -> None:
    path = root / "tiny_onnx/labels.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def no_labels(root: Path) -> None:
    (root / "tiny_onnx/labels.txt").unlink()


def other_backend(root: Path) -> None:
    path = root / "tiny_onnx/config.pbtxt"
    path.write_text(path.read_text().replace('backend: "onnxruntime"', 'backend: "pytorch"'))


def opset_too_new(root: Path) -> None:
    path = root / "tiny_onnx/1/model.onnx"
    model = onnx.load(path)
    model.opset_import[0].version = 99
    onnx.save_model(model, path)


def ir_too_new(root: Path) -> None:
    path = root / "tiny_onnx/1/model.onnx"
    model = onnx.load(path)
    model.ir_version = 99
    onnx.save_model(model, path)


def no_graph(root: Path) -> None:
    (root / "tiny_onnx/1/model.onnx").write_bytes(b"")
    (root / "tiny_onnx/1/manifest.json").write_text("{}")


def edit_config(root: Path, old: str, new: str, name: str = "tiny_onnx") -> None:
    path = root / name / "config.pbtxt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def other_side(root: Path) -> None:
    edit_config(root, "dims: 32", "dims: 33")


def other_datatype(root: Path) -> None:
    edit_config(root, "data_type: TYPE_FP32", "data_type: TYPE_FP16")


def other_tensor(root: Path) -> None:
    edit_config(root, 'name: "OUTPUT__0"', 'name: "logits"')


def no_archive(root: Path) -> None:
    (root / "tiny_torchscript/1/model.pt").write_bytes(b"junk")
    (root / "tiny_torchscript/1/manifest.json").unlink()


def state_dict(root: Path) -> None:
    import torch

    torch.save({"weight": torch.zeros(1)}, root / "tiny_torchscript/1/model.pt")
    (root / "tiny_torchscript/1/manifest.json").unlink()


def absent_version(root: Path) -> None:
    edit_config(root, "latest {\n    num_versions: 1\n  }", "specific { versions: 7 }")


def no_version_taken(root: Path) -> None:
    edit_config(root, "num_versions: 1", "num_versions: 0")


def version_beyond_counting(root: Path) -> None:
    (root / "tiny_onnx/99999999999999999999").mkdir()


def version_just_beyond_counting(root: Path) -> None:
    (root / "tiny_onnx/9223372036854775808").mkdir()


def dangling_link(root: Path) -> None:
    (root / "old_model").symlink_to("nowhere")


def broken_config(root: Path) -> None:
    (root / "tiny_onnx/config.pbtxt").write_text('backend: "onnxruntime"\nmax_batch: 3\n')


def other_name(root: Path) -> None:
    (root / "tiny_onnx").rename(root / "renamed_onnx")


def nonsense_manifest(root: Path) -> None:
    (root / "tiny_tensorrt/1/manifest.json").write_text('{"format": [], "artifact": "none", "conversion": 3}')


def looping_labels(root: Path) -> None:
    (root / "tiny_onnx/labels.txt").unlink()
    (root / "tiny_onnx/labels.txt").symlink_to("labels.txt")


def no_artifact(root: Path) -> None:
    (root / "tiny_onnx/1/model.onnx").unlink()


def no_version(root: Path) -> None:
    shutil.rmtree(root / "tiny_onnx/1")


def not_a_plan(root: Path) -> None:
    (root / "tiny_tensorrt/1/model.plan").write_bytes(b"ftrt, but short")


def rtx_plan(root: Path) -> None:
    (root / "tiny_tensorrt/1/model.plan").write_bytes(plan((1, 7, 1, 116), b"vtrt"))


@pytest.mark.parametrize(
    ("plant", "subject", "words"),
    [
        (wrong_tensorrt, "tiny_tensorrt/1", "was built by TensorRT 11.4.0.106, the manifest says 10.13.0.35"),
        (other_release, "tiny_tensorrt/1", "TensorRT 11.4.0.106 of Triton 25.12, .env pins 26.09"),
        (truncated_onnx, "tiny_onnx/1", "model.onnx cannot be read"),
        (truncated_onnx, "tiny_onnx/1", "model.onnx has 1000 bytes"),
        (changed_byte, "tiny_torchscript/1", "model.pt is not what was published"),
        (label_short, "tiny_onnx", "labels.txt has 9 labels for the 10 classes of OUTPUT__0"),
        (no_labels, "tiny_onnx", "labels.txt is missing"),
        (other_backend, "tiny_onnx/1", "names the backend 'pytorch', the artifact is for 'onnxruntime'"),
        (opset_too_new, "tiny_onnx/1", "opset 99 is newer than 23, the newest that ONNX Runtime 1.27 (Triton 26.09)"),
        (ir_too_new, "tiny_onnx/1", "IR version 99 is newer than 11"),
        (no_graph, "tiny_onnx/1", "model.onnx (0 bytes) holds no graph"),
        (other_side, "tiny_onnx/1", "INPUT__0 is [-1, 3, 33, 32] in the configuration, [-1, 3, 32, 32] in the graph"),
        (other_datatype, "tiny_onnx/1", "INPUT__0 is TYPE_FP16 in the configuration, TYPE_FP32 in the graph"),
        (other_tensor, "tiny_onnx/1", "the configuration has the output logits, the graph's are OUTPUT__0"),
        (no_archive, "tiny_torchscript/1", "model.pt is not a TorchScript archive: it is no ZIP file"),
        (state_dict, "tiny_torchscript/1", "model.pt is not a TorchScript archive: torch.save wrote it"),
        (absent_version, "tiny_onnx", "the version policy asks for 7, there is 1"),
        (no_version_taken, "tiny_onnx", "the version policy takes none, there is 1"),
        (version_beyond_counting, "tiny_onnx", "99999999999999999999 is beyond 9223372036854775807"),
        (version_just_beyond_counting, "tiny_onnx", "9223372036854775808 is beyond 9223372036854775807"),
        (dangling_link, "old_model", "leads nowhere"),
        (broken_config, "tiny_onnx", "config.pbtxt does not parse: 2:1 : "),
        (other_name, "renamed_onnx", "config.pbtxt names the model tiny_onnx"),
        (nonsense_manifest, "tiny_tensorrt/1", "the manifest says None"),
        (looping_labels, "tiny_onnx", "labels"),
        (no_artifact, "tiny_onnx/1", "onnxruntime needs model.onnx, the version holds no artifact"),
        (no_version, "tiny_onnx", "has no version directory"),
        (not_a_plan, "tiny_tensorrt/1", "model.plan is not a TensorRT engine"),
        (rtx_plan, "tiny_tensorrt/1", "was built by TensorRT for RTX"),
    ],
)
def test_a_planted_fault_is_found(root: Path, plant: Callable[[Path], None], subject: str, words: str) -> None:
    plant(root)
    found = failures(root)
    assert any(where == subject and words in text for where, text in found), found
    assert {where.split("/")[0] for where, _ in found} == {subject.split("/")[0]}, "a sound model is blamed"


def test_a_manifest_of_brackets_is_one_that_cannot_be_read(root: Path) -> None:
    (root / "tiny_onnx/1/manifest.json").write_text("[" * 100_000)
    found = [finding for finding in doctor.examine_repository(root, RELEASE) if "tiny_onnx" in finding.subject]
    assert [finding.level for finding in found] == ["ok", "note"]


def test_labels_are_lines_that_end_at_newlines_alone(root: Path) -> None:
    path = root / "tiny_onnx/labels.txt"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([f"{first}\u2028or\fso", *others]))
    assert failures(root) == []


def test_a_damaged_version_that_is_not_served_is_a_note(root: Path) -> None:
    shutil.copytree(root / "tiny_onnx/1", root / "tiny_onnx/2")
    (root / "tiny_onnx/1/model.onnx").write_bytes(b"junk")
    notes = [finding for finding in doctor.examine_repository(root, RELEASE) if finding.level == "note"]
    assert {finding.subject for finding in notes} == {"tiny_onnx/1"}
    assert all("the version policy leaves this version out" in finding.text for finding in notes)
    assert failures(root) == []
    edit_config(root, "num_versions: 1", "num_versions: 2")
    assert {subject for subject, _ in failures(root)} == {"tiny_onnx/1"}


def test_an_absent_version_beside_one_that_is_there_is_a_note(root: Path) -> None:
    edit_config(root, "latest {\n    num_versions: 1\n  }", "specific { versions: [1, 7] }")
    assert failures(root) == []
    (note,) = [finding for finding in doctor.examine_repository(root, RELEASE) if finding.level == "note"]
    assert "also asks for 7, which is not there" in note.text


def test_a_number_that_triton_ignores_is_no_fault(root: Path) -> None:
    (root / "tiny_onnx/099999999999999999999").mkdir()
    assert failures(root) == []


@pytest.mark.parametrize(
    ("config", "files", "level"),
    [
        ('platform: "ensemble"', (), "ok"),
        ('backend: "python"', ("model.py",), "ok"),
        ('backend: "python"', (), "fail"),
        ('backend: "identity"', (), "ok"),
        ('backend: "dali"', ("model.dali",), "ok"),
        ('platform: "onnxruntime_onnx"', (), "fail"),
    ],
)
def test_each_backend_needs_its_own_files(tmp_path: Path, config: str, files: tuple[str, ...], level: str) -> None:
    (tmp_path / "m/1").mkdir(parents=True)
    (tmp_path / "m/config.pbtxt").write_text(config)
    for name in files:
        (tmp_path / "m/1" / name).touch()
    found = doctor.examine_repository(tmp_path, RELEASE)
    assert found[0].level == level
    assert [finding.level for finding in found].count("fail") == (level == "fail")


@pytest.mark.parametrize("release", ["nonsense", "26.7", "26.13", "26.07.1", "\N{ARABIC-INDIC DIGIT TWO}6.07"])
def test_what_is_no_release_is_refused(root: Path, release: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--repository", str(root), "--triton-release", release]) == 2
    assert "name a release as YY.MM" in capsys.readouterr().err


def test_an_engine_built_outside_the_image_is_a_note(root: Path) -> None:
    change = lambda manifest: manifest["conversion"].update(triton_release=None)  # noqa: E731
    edit_manifest(root / "tiny_tensorrt/1/manifest.json", change)
    note = next(f for f in doctor.examine_repository(root, RELEASE) if f.level == "note")
    assert "whether 26.09 carries it cannot be told here" in note.text
    assert "make export-gpu" in note.remedy


@pytest.mark.parametrize(
    ("capability", "compatible", "fails"), [("8.9", False, 0), ("9.0", False, 1), ("9.0", True, 0)]
)
def test_an_engine_for_another_gpu_is_found(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capability: str, compatible: bool, fails: int
) -> None:
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho {capability}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    edit_manifest(
        root / "tiny_tensorrt/1/manifest.json",
        lambda manifest: manifest["conversion"].update(hardware_compatible=compatible),
    )
    assert len(failures(root)) == fails


def test_a_model_from_elsewhere_is_examined_as_far_as_it_goes(root: Path) -> None:
    (root / "tiny_onnx/1/manifest.json").unlink()
    found = [finding for finding in doctor.examine_repository(root, RELEASE) if "tiny_onnx" in finding.subject]
    assert [finding.level for finding in found] == ["ok", "note"]


def test_an_older_triton_reads_less(root: Path) -> None:
    path = root / "tiny_onnx/1/model.onnx"
    model = onnx.load(path)
    model.opset_import[0].version = 21
    onnx.save_model(model, path)
    assert any("newer than 20, the newest that ONNX Runtime 1.17" in text for _, text in failures(root, "24.01"))
    assert not any("newer" in text for _, text in failures(root))


def test_the_command_prints_a_line_for_each_finding(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--repository", str(root)]) == 0
    assert "ok   tiny_onnx: onnxruntime, version 1" in capsys.readouterr().out
    changed_byte(root)
    assert main(["doctor", "--repository", str(root), "--triton-release", RELEASE]) == 1
    printed = capsys.readouterr().out.splitlines()
    wanted = "fail tiny_torchscript/1: model.pt is not what was published: its SHA-256 is another -> export it again"
    assert wanted in printed
    assert printed[-1].startswith("1 of ")


def test_the_host_is_described_with_remedies_for_what_is_missing() -> None:
    found = {finding.subject: finding for finding in doctor.examine_host()}
    assert {"python", "torch", "onnxruntime", "onnxruntime providers", "tritonclient", "NVIDIA GPU"} <= set(found)
    assert {"TensorRT", "Docker daemon", "format torchscript", "format onnx", "format tensorrt"} <= set(found)
    assert all(finding.level != "fail" for finding in found.values())
    assert all(finding.remedy for finding in found.values() if finding.level == "note")
    assert "CPUExecutionProvider" in found["onnxruntime providers"].text


def test_what_is_no_repository_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a directory"):
        doctor.examine_repository(tmp_path / "nothing", RELEASE)
    assert [finding.level for finding in doctor.examine_repository(tmp_path, RELEASE)] == ["note"]


def test_the_release_comes_from_dot_env(tmp_path: Path) -> None:
    assert doctor.pinned_release().count(".") == 1
    with pytest.raises(UsageError, match="--triton-release"):
        doctor.pinned_release(tmp_path / ".env")


def test_engine_options_have_the_defaults_of_the_command() -> None:
    words = vars(verb_parser("", "export").parse_args([]))
    assert {name: words[name] for name in EngineOptions.__dataclass_fields__} == vars(EngineOptions())
