"""A tiny network with what INT8 finds hard, and its FP32 graph."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tritonrepo.export import to_onnx

SIDE = 16
SHAPE = (3, SIDE, SIDE)


def network() -> nn.Module:
    """Convolutions, one of them depthwise, with ReLU6 between; FP32 `[N, 3, 16, 16]` -> `[N, 5]`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU6(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.ReLU6(),
            nn.Conv2d(8, 16, 1, bias=False),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 5),
        )
        for part in module:
            if isinstance(part, nn.Conv2d):
                part.weight.data *= 4  # so that ReLU6 has something to cut off
        return module.eval()


def images(count: int, seed: int = 0) -> NDArray[np.float32]:
    """FP32 `[count, 3, 16, 16]`."""
    return np.random.default_rng(seed).standard_normal((count, *SHAPE)).astype(np.float32)


def graph(directory: Path) -> Path:
    """The network as a file of ONNX."""
    path = directory / "fp32.onnx"
    to_onnx.convert(network(), SHAPE, path)
    return path
