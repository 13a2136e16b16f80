"""The module in half precision, with FP32 at both ends."""

import torch
from torch import nn

from tritonrepo.export import copies
from tritonrepo.export.pixels import FromPixels


class HalfPrecision(nn.Module):
    """A copy of `module` in FP16 that takes FP32 `[N, ...]` and gives FP32 `[N, classes]`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copies.deep(module).half()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """FP32 `[N, 3, H, W]` -> FP32 `[N, classes]`."""
        logits: torch.Tensor = self.module(images.half())
        return logits.float()


def in_half(module: nn.Module) -> nn.Module:
    """`HalfPrecision` of a network; one behind its normalisation keeps that in FP32."""
    if isinstance(module, FromPixels):
        return FromPixels(HalfPrecision(module.module), module.preprocessing)
    return HalfPrecision(module)
