"""What the tests of the gate share: pictures, and modules of one function around a small network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests import factories
from tritonrepo.export import photographs
from tritonrepo.export.gate import pictures, reference

Images = NDArray[np.float32]
SHAPE = (3, factories.SIDE, factories.SIDE)
MAX_BATCH = 16


class Around(nn.Module):
    """The small network, and a function of its input and its scores."""

    def __init__(self, function: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.inside = factories.network()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x, self.inside(x))


def around(function: Callable[[Tensor, Tensor], Any]) -> nn.Module:
    return Around(function).eval()


def make_images(max_batch: int = MAX_BATCH) -> Images:
    return pictures.make(photographs.find(), factories.PREPROCESSING, max_batch)


def run_of(module: nn.Module, change: Callable[[Images], Images] = lambda scores: scores) -> Callable[[Images], Images]:
    """A runner that computes the module's scores and then spoils them."""

    def run(images: Images) -> Images:
        with torch.inference_mode():
            return change(module(torch.from_numpy(images.copy())).numpy().copy())

    return run


def observed(module: nn.Module, max_batch: int = MAX_BATCH) -> reference.Reference:
    return reference.observe(module, make_images(max_batch), max_batch)
