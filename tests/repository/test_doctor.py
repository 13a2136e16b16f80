"""The doctor finds each fault that is planted in a repository, and nothing in a sound one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

import tritonrepo
from tests.repository.faults import RELEASE, assert_found, edit_config, failures
from tests.repository.test_version import changed_byte
from tritonrepo.cli.main import main
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.doctor import examine_repository

ROOT = Path(__file__).parents[2]


def test_a_sound_repository_has_one_good_line_for_each_model(root: Path) -> None:
    assert [(finding.level, finding.subject) for finding in examine_repository(root, RELEASE)] == [
        ("ok", "tiny_onnx"),
        ("ok", "tiny_tensorrt"),
        ("ok", "tiny_torchscript"),
    ]


def label_short(root: Path) -> None:
    path = root / "tiny_onnx/1/labels.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def no_labels(root: Path) -> None:
    (root / "tiny_onnx/1/labels.txt").unlink()


def looping_labels(root: Path) -> None:
    (root / "tiny_onnx/1/labels.txt").unlink()
    (root / "tiny_onnx/1/labels.txt").symlink_to("labels.txt")


def absent_version(root: Path) -> None:
    edit_config(root, "versions: 1", "versions: 7")


def no_version_taken(root: Path) -> None:
    edit_config(root, "specific {\n    versions: 1\n  }", "latest { num_versions: 0 }")


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


def no_version(root: Path) -> None:
    shutil.rmtree(root / "tiny_onnx/1")


INTER_OP = 'parameters { key: "INTER_OP_THREAD_COUNT" value { string_value: "1" } }\n'


def inter_op_threads(root: Path) -> None:
    path = root / "tiny_torchscript/config.pbtxt"
    path.write_text(path.read_text() + INTER_OP)


def inter_op_threads_of_an_unnamed_backend(root: Path) -> None:
    inter_op_threads(root)
    edit_config(root, 'backend: "pytorch"', "", "tiny_torchscript")


def inter_op_threads_of_a_platform(root: Path) -> None:
    inter_op_threads(root)
    edit_config(root, 'backend: "pytorch"', 'platform: "pytorch_libtorch"', "tiny_torchscript")


@pytest.mark.parametrize(
    ("plant", "subject", "words"),
    [
        (no_labels, "tiny_onnx", "1/labels.txt is missing"),
        (looping_labels, "tiny_onnx", "labels"),
        (absent_version, "tiny_onnx", "the version policy asks for 7, there is 1"),
        (no_version_taken, "tiny_onnx", "the version policy takes none, there is 1"),
        (version_beyond_counting, "tiny_onnx", "99999999999999999999 is beyond 9223372036854775807"),
        (version_just_beyond_counting, "tiny_onnx", "9223372036854775808 is beyond 9223372036854775807"),
        (dangling_link, "old_model", "leads nowhere"),
        (broken_config, "tiny_onnx", "config.pbtxt does not parse: 2:1 : "),
        (other_name, "renamed_onnx", "config.pbtxt names the model tiny_onnx"),
        (no_version, "tiny_onnx", "has no version directory"),
        (inter_op_threads, "tiny_torchscript", "sets INTER_OP_THREAD_COUNT, with which Triton aborts"),
        (inter_op_threads_of_an_unnamed_backend, "tiny_torchscript", "sets INTER_OP_THREAD_COUNT"),
        (inter_op_threads_of_a_platform, "tiny_torchscript", "sets INTER_OP_THREAD_COUNT"),
    ],
)
def test_a_planted_fault_is_found(root: Path, plant: Callable[[Path], None], subject: str, words: str) -> None:
    plant(root)
    assert_found(root, subject, words)


def test_labels_that_are_too_few_are_a_note(root: Path) -> None:
    """Triton loads the model, and names the class without a label by its number."""
    label_short(root)
    assert failures(root) == []
    (note,) = [finding for finding in examine_repository(root, RELEASE) if finding.level == "note"]
    assert (note.subject, note.text) == ("tiny_onnx", "1/labels.txt has 9 labels for the 10 classes of OUTPUT__0")


@pytest.mark.parametrize(
    "limits", ["default_queue_policy { max_queue_size: 9 }", "priority_levels: 2 default_priority_level: 2"]
)
def test_a_queue_that_costs_speed_is_a_note(root: Path, limits: str) -> None:
    edit_config(root, "dynamic_batching {", f"dynamic_batching {{ {limits}")
    assert failures(root) == []
    (note,) = [finding for finding in examine_repository(root, RELEASE) if finding.level == "note"]
    assert note.subject == "tiny_onnx"
    assert "leaves an instance idle for up to 500 ms while requests wait" in note.text


def test_other_backends_ignore_the_threads_that_pytorch_cannot_take(root: Path) -> None:
    path = root / "tiny_onnx/config.pbtxt"
    path.write_text(path.read_text() + INTER_OP)
    assert failures(root) == []


def test_labels_are_lines_that_end_at_newlines_alone(root: Path) -> None:
    path = root / "tiny_onnx/1/labels.txt"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([f"{first}\u2028or\fso", *others]))
    assert failures(root) == []


def test_an_absent_version_beside_one_that_is_there_is_a_note(root: Path) -> None:
    edit_config(root, "versions: 1", "versions: [1, 7]")
    assert failures(root) == []
    (note,) = [finding for finding in examine_repository(root, RELEASE) if finding.level == "note"]
    assert "also asks for 7, which is not there" in note.text


def test_a_number_that_triton_ignores_is_no_fault(root: Path) -> None:
    (root / "tiny_onnx/099999999999999999999").mkdir()
    assert failures(root) == []


def test_what_is_no_repository_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a directory"):
        examine_repository(tmp_path / "nothing", RELEASE)
    assert [finding.level for finding in examine_repository(tmp_path, RELEASE)] == ["note"]


def test_the_command_prints_a_line_for_each_finding(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--repository", str(root)]) == 0
    assert "ok   tiny_onnx: onnxruntime, version 1" in capsys.readouterr().out
    changed_byte(root)
    assert main(["doctor", "--repository", str(root), "--triton-release", RELEASE]) == 1
    printed = capsys.readouterr().out.splitlines()
    wanted = "fail tiny_torchscript/1: model.pt is not what was published: its SHA-256 is another -> export it again"
    assert wanted in printed
    assert printed[-1].startswith("1 of ")


def test_without_a_repository_the_machine_is_examined_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "ok   python: " in printed
    assert "note model_repository: is not here -> make one with: tritonrepo export" in printed
    assert main(["doctor", "--repository", "model_repository"]) == 2
    assert "is not a directory" in capsys.readouterr().err


def closure(requirements: Iterable[str], extra: str = "") -> Iterator[str]:
    """The distributions that are required, and those that they require."""
    for wanted in map(Requirement, requirements):
        if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
            yield wanted.name
            for more in ("", *wanted.extras):
                yield from closure(distribution(wanted.name).requires or (), more)


def link_packages(names: set[str], site: Path) -> None:
    """Let `site` hold these distributions of this environment, and nothing else."""
    site.mkdir()
    for name in names:
        for file in distribution(name).files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(str(distribution(name).locate_file(top)))


def test_an_install_without_extras_examines_what_it_can(root: Path, tmp_path: Path) -> None:
    """In another directory, where there is no .env either."""
    names = set(closure(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]))
    assert not names & {"onnx", "torch"}
    link_packages(names, tmp_path / "site")
    (tmp_path / "site/tritonrepo").symlink_to(Path(tritonrepo.__file__).parent)
    changed_byte(root)
    accelerator = 'optimization { execution_accelerators { cpu_execution_accelerator { name: "openvino" } } }'
    edit_config(root, 'backend: "onnxruntime"', f'backend: "onnxruntime" {accelerator}')
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-S", "-m", "tritonrepo", "doctor", "--repository", str(root)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    for start in (
        "note torch: not here -> pip install ",
        "note format onnx: needs torch, onnx, onnxscript, onnxruntime -> pip install ",
        "note onnx: is not installed: the ONNX artifacts were not looked into -> pip install ",
        "ok   tiny_onnx: onnxruntime, version 1",
        "note tiny_onnx: asks for OpenVINO on the CPU, and the package openvino is not here: tritonrepo serve cannot",
        "fail tiny_torchscript/1: model.pt is not what was published",
    ):
        assert any(line.startswith(start) for line in lines), (start, lines)


def test_a_package_that_cannot_be_imported_is_reported(root: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    for name in ("onnx", "onnxruntime"):
        (tmp_path / f"broken/{name}.py").write_text("raise ImportError('built for another numpy')\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}/broken:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "tritonrepo", "doctor", "--repository", str(root)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = "is installed and cannot be imported (ImportError: built for another numpy)"
    assert f"note onnxruntime providers: onnxruntime {said} -> pip install" in done.stdout
    assert f"note onnx: {said}: the ONNX artifacts were not looked into -> pip install" in done.stdout
    assert "ok   tiny_onnx: onnxruntime, version 1" in done.stdout
