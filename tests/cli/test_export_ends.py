"""Whatever ends an export early, the repository is whole, nothing is left beside it, and the last words say so."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import heed_interrupts
from tests.repository.releases import contents
from tritonrepo.cli.main import main

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def words(root: Path, factory: str, formats: str) -> list[str]:
    model = f"{ROOT}/tests/factories.py:{factory}"
    return ["export", "--model", model, "--formats", formats, "--repository", str(root), "--max-batch-size", "4"]


def start(arguments: list[str], before: Callable[[], None]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tritonrepo", *arguments]
    pipe = subprocess.PIPE
    # CPython 3.11 takes a compiled module for written that a limit on the size of files has cut: it must write none.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(command, preexec_fn=before, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that holds one model."""
    root = tmp_path / "models"
    assert main(words(root, "tiny", "torchscript")) == 0
    return root


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_whole_models_and_says_so(number: signal.Signals, root: Path) -> None:
    before = contents(root)
    with start(words(root, "other_weights", "torchscript,onnx"), heed_interrupts) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "onnx: convert" in line:
                assert (root.parent / ".models.staging").is_dir()
                process.send_signal(number)
                break
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted while exporting; every model in the repository is whole"
    assert contents(root) == before
    assert [path.name for path in root.parent.iterdir()] == ["models"]


@pytest.mark.parametrize("factory", ["raises", "fixed_batch", "features"])
def test_a_refused_export_leaves_no_staging_directory(factory: str, root: Path) -> None:
    before = contents(root)
    assert main(words(root, factory, "torchscript")) in (1, 2)
    assert contents(root) == before
    assert [path.name for path in root.parent.iterdir()] == ["models"]


def small_files() -> None:
    """Stands for a full disk: what is written beyond is refused."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


@pytest.mark.parametrize("formats", ["torchscript", "onnx", "onnx_fp16"])
def test_a_full_disk_is_missing_with_what_to_do(formats: str, root: Path) -> None:
    before = contents(root)
    with start(words(root, "other_weights", formats), small_files) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 3, output + errors
    assert "Traceback" not in errors
    last = errors.splitlines()[-1]
    assert f"cannot export to {root}: File too large" in last
    assert "Every model in the repository is whole; free space or mend the permissions, then export again" in last
    assert contents(root) == before
    assert [path.name for path in root.parent.iterdir()] == ["models"]
