"""A forward with one named input, for exporters that give each input its shapes by name."""

import inspect

import torch
from torch import nn


class _OneInput(nn.Module):
    """A module whose forward takes `*inputs`, with a forward that takes one."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.module(images)
        return scores


def with_one_input(module: nn.Module) -> nn.Module:
    """The module itself, or what names its input: the inputs of `*inputs` have no names."""
    kinds = {parameter.kind for parameter in inspect.signature(module.forward).parameters.values()}
    return _OneInput(module) if inspect.Parameter.VAR_POSITIONAL in kinds else module
