"""The module in half precision, with FP32 at both ends."""

import torch
from torch import nn

from tritonrepo.export import copies


class HalfPrecision(nn.Module):
    """A copy of `module` in FP16 that takes FP32 `[N, ...]` and gives FP32 `[N, classes]`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copies.deep(module).half()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """FP32 `[N, 3, H, W]` -> FP32 `[N, classes]`."""
        logits: torch.Tensor = self.module(images.half())
        return logits.float()
