"""A short soak; `make soak` is the long one."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TINY_SIDE, ShortLived
from tests.soak.load import soak

pytestmark = pytest.mark.live


def test_models_come_and_go_beside_a_load(repository: Path) -> None:
    other = Path(shutil.copytree(repository / "tiny_onnx", repository / "passer_by")) / "config.pbtxt"
    other.write_text(other.read_text().replace("tiny_onnx", "passer_by"))
    shutil.rmtree(repository / "tiny_torchscript")
    images = np.random.default_rng(0).random((4, 3, TINY_SIDE, TINY_SIDE), np.float32)
    with ShortLived(repository) as server:
        found = soak(server, ("tiny_onnx", "passer_by"), images, count=600, concurrency=4)
    assert found.errors == []
    assert found.wrong == 0
    assert len(found.seconds) == 600 - 38
    assert found.changes >= 2
