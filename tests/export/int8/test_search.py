"""Layers go back to FP32 until the loss is within the limits, or all is refused with the layers that lose most."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.export.int8.networks import graph, images, network
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate.rounding import Loss, Unseen
from tritonrepo.export.int8.calibration import Calibration
from tritonrepo.export.int8.search import search
from tritonrepo.repository import tolerance

pytestmark = pytest.mark.slow


def calibration(pictures: NDArray[np.float32]) -> Calibration:
    judges = images(48, 1)
    with torch.no_grad():
        values = network()(torch.from_numpy(judges)).numpy()
    return Calibration(pictures, Unseen(judges, values, "logits"), "tests")


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_network_that_bears_rounding_has_every_layer_in_int8(tmp_path: Path, symmetric: bool) -> None:
    found = search(graph(tmp_path), calibration(images(32)), "onnx_int8", symmetric=symmetric)
    assert (found.made.layers, found.made.kept, found.kept) == (4, (), ())


def test_the_worst_layers_stay_in_fp32_where_the_limits_are_tight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tight = iter([False, False, True])
    monkeypatch.setattr(Loss, "passes", lambda self: next(tight))
    found = search(graph(tmp_path), calibration(images(32)), "onnx_int8")
    assert len(found.made.kept) == 1  # of four layers, 12%
    assert found.made.kept[0] in {"0", "2", "4", "8"}


def test_ranges_of_one_black_picture_are_refused_with_the_loss_and_the_layers(tmp_path: Path) -> None:
    black = np.full((32, 3, 16, 16), -0.01, np.float32)
    message = r"onnx_int8: loses too much in INT8, also with the worst half .*: top-1 agreement \d+\.\d%, KL .*layers"
    with pytest.raises(VerificationError, match=message) as raised:
        search(graph(tmp_path), calibration(black), "onnx_int8")
    assert "measured on tests" in str(raised.value)
    assert f"at least {tolerance.INT8.top1:.0%} must agree" in str(raised.value)
