"""Whatever ends an export early, the repository is whole, nothing is left beside it, and the last words say so."""

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from tests.conftest import heed_interrupts
from tests.exporting import fork
from tests.repository.releases import contents
from tritonrepo.cli.main import main

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def words(root: Path, factory: str, formats: str) -> list[str]:
    model = f"{ROOT}/tests/factories.py:{factory}"
    return ["export", "--model", model, "--formats", formats, "--repository", str(root), "--max-batch-size", "4"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, quick_exports: None) -> Path:
    """A repository that holds one model. Shared: use `root` to change it."""
    root = tmp_path_factory.mktemp("exported") / "models"
    assert main(words(root, "tiny", "torchscript")) == 0
    return root


@pytest.fixture
def root(exported: Path, tmp_path: Path) -> Path:
    """A copy of it, alone in a directory."""
    return Path(shutil.copytree(exported, tmp_path / "models"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_whole_models_and_says_so(number: signal.Signals, root: Path) -> None:
    before = contents(root)
    with fork(words(root, "other_weights", "torchscript,onnx"), heed_interrupts) as running:
        for line in running.errors:
            if "onnx: convert" in line:
                assert (root.parent / ".models.staging").is_dir()
                os.kill(running.pid, number)
                break
        done = running.end()
    assert done.status == 130
    assert done.errors.splitlines()[-1] == "interrupted while exporting; every model in the repository is whole"
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
    with fork(words(root, "other_weights", formats), small_files) as running:
        done = running.end()
    assert done.status == 3, done
    assert "Traceback" not in done.errors
    last = done.errors.splitlines()[-1]
    assert f"cannot export to {root}: File too large" in last
    assert "Every model in the repository is whole; free space or mend the permissions, then export again" in last
    assert contents(root) == before
    assert [path.name for path in root.parent.iterdir()] == ["models"]
