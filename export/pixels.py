"""A network that takes pixels, UINT8 `[N, H, W, channels]`: its graph does what a client would do to their values.

An image is then a quarter of the bytes on the wire, and the client casts, scales and normalises nothing.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Normalise, Scale
from tritonrepo.export.errors import VerificationError

TOLERANCE = 1e-6
"""Of normalised values of 1, and so much relative to larger ones: two roundings of FP32."""
EXAMPLE_BATCH = 2
"""What graphs are made with: at 1, something of size 1 would be broadcast by accident."""


class FromPixels(nn.Module):
    """`module` behind the steps of a pipeline that change values, in FP32 whatever the module computes in."""

    def __init__(self, module: nn.Module, preprocessing: Preprocessing) -> None:
        """Args: the network, and the preprocessing that it wants, NCHW FP32."""
        super().__init__()
        self.module, self.preprocessing = module, preprocessing
        self.steps: list[str] = []
        for step in preprocessing.steps:
            if isinstance(step, Scale):
                self._keep("divide", [step.divisor])
                if step.offset:
                    self._keep("add", [step.offset])
            elif isinstance(step, Normalise):
                self._keep("subtract", step.mean)
                self._keep("divide", step.std)

    def _keep(self, operation: str, numbers: Sequence[float]) -> None:
        name = f"{operation}_{len(self.steps)}"
        self.register_buffer(name, torch.tensor(numbers, dtype=torch.float32).reshape(1, -1, 1, 1))
        self.steps.append(name)

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """UINT8 `[N, H, W, channels]` -> FP32 `[N, channels, H, W]`, as `client.preprocess` computes it."""
        values = pixels.permute(0, 3, 1, 2).to(torch.float32)
        for name in self.steps:
            operation = getattr(torch, name.split("_")[0])
            values = operation(values, getattr(self, name))
        return values.contiguous()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """UINT8 `[N, H, W, channels]` -> FP32 `[N, classes]`."""
        scores: torch.Tensor = self.module(self.normalise(pixels))
        return scores


def contract(preprocessing: Preprocessing) -> Preprocessing:
    """What is left to a client: to place the picture. UINT8 NHWC."""
    return Preprocessing.of_steps(preprocessing.placing, channels=preprocessing.channels, layout="NHWC", dtype="UINT8")


def example(module: nn.Module, shape: tuple[int, int, int]) -> torch.Tensor:
    """A batch of black images as the module takes them; `shape` is that of one."""
    dtype = torch.uint8 if isinstance(module, FromPixels) else torch.float32
    return torch.zeros(EXAMPLE_BATCH, *shape, dtype=dtype)


def body(module: nn.Module) -> nn.Module:
    """The network itself."""
    return module.module if isinstance(module, FromPixels) else module


def check(module: FromPixels, pixels: NDArray[np.uint8], images: NDArray[np.float32]) -> None:
    """Hold what the graph makes of pixels against what a client makes of the same pictures.

    Args:
        module: The network behind its normalisation.
        pixels: UINT8 `[N, H, W, channels]`.
        images: FP32 `[N, channels, H, W]`.

    Raises:
        VerificationError: They differ.
    """
    with torch.no_grad():
        found = module.normalise(torch.from_numpy(pixels)).numpy()
    apart = float((np.abs(found - images) / np.maximum(np.abs(images), 1)).max())
    if not apart <= TOLERANCE:
        raise VerificationError(
            f"--input uint8: the graph's normalisation and the client's differ by {apart:.2g}, and {TOLERANCE:g} is "
            "allowed; export the model without --input uint8"
        )
