"""TorchScript artifacts on a real GPU; without one there is nothing to test."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests import factories
from tritonrepo.export import to_torchscript

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no NVIDIA GPU"),
    pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated"),
]

SHAPE = (3, factories.SIDE, factories.SIDE)


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("factory", ["tiny", "device_pinned"])
def test_an_artifact_that_was_made_without_a_gpu_is_as_exact_there(factory: str, batch: int, tmp_path: Path) -> None:
    module, _ = getattr(factories, factory)()
    to_torchscript.convert(module, SHAPE, tmp_path / "model.pt")
    loaded: Any = torch.jit.load(tmp_path / "model.pt", map_location="cuda")  # type: ignore[no-untyped-call]
    images = torch.linspace(-1, 1, batch * 3 * factories.SIDE**2).view(batch, *SHAPE)
    with torch.inference_mode():
        expected, actual = module(images), loaded(images.cuda())
    assert actual.device.type == "cuda"
    np.testing.assert_allclose(actual.cpu().numpy(), expected.numpy(), atol=1e-5)


def test_a_large_convolution_does_not_round_to_tf32(tmp_path: Path) -> None:
    """TF32 keeps ten bits of a mantissa: it would be off by 1e-3 of the result."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 256, 3), nn.Conv2d(256, 256, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    to_torchscript.convert(module, SHAPE, tmp_path / "model.pt")
    loaded: Any = torch.jit.load(tmp_path / "model.pt", map_location="cuda")  # type: ignore[no-untyped-call]
    images = torch.randn(8, *SHAPE)
    with torch.inference_mode():
        expected, actual = module.double()(images.double()), loaded(images.cuda()).cpu().double()
    assert float((actual - expected).abs().max() / expected.abs().max()) < 1e-5
