"""A sound repository, as the exporter publishes it, for tests that plant faults."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import made_once
from tests.repository.faults import publish_plan
from tritonrepo.cli.main import main


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory, quick_exports: None) -> Path:
    """tiny_torchscript, tiny_onnx, and the head of an engine of Triton's image. Shared: use `root` to change it."""
    return made_once(tmp_path_factory, "sound", make_sound)


def make_sound(root: Path) -> None:
    words = ["--model", "tests/factories.py:tiny", "--max-batch-size", "4", "--repository", str(root)]
    assert main(["export", *words, "--formats", "torchscript,onnx"]) == 0
    publish_plan(root)


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound repository that a test may change."""
    return Path(shutil.copytree(sound, tmp_path / "model_repository"))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Where a repository is to be; not there yet."""
    return tmp_path / "models"
