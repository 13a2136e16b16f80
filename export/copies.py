"""Copies of a module, so that what one step does to it reaches no other."""

import copy
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from tritonrepo.export.errors import ConversionError

Converted = TypeVar("Converted")
SHARED = (type(threading.Lock()), type(threading.RLock()))
"""What no copy can be made of, and what two copies may share."""


def deep(module: nn.Module) -> nn.Module:
    """A copy that shares no tensor with the module. Raises whatever an attribute raises that cannot be copied."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, SHARED):
                memo[id(value)] = value
            elif isinstance(value, torch.Tensor) and not value.is_leaf:
                # PyTorch refuses to copy a tensor that was computed from parameters, such as weight_norm's.
                memo[id(value)] = value.detach().clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of PyTorch's own pickling of an exported program
        return copy.deepcopy(module, memo)


def fresh(module: nn.Module) -> nn.Module:
    """A copy, or the module itself where there can be none."""
    try:
        return deep(module)
    except Exception:  # an attribute of the user's may raise anything
        return module


def converted(
    module: nn.Module, example: torch.Tensor, convert: Callable[[nn.Module], Converted], scripted: str = ""
) -> Converted:
    """What a copy becomes; where that cannot be, one in which a first call has built its tables already.

    Args:
        module: It is not called.
        example: A batch.
        convert: Raises `ConversionError` where it cannot.
        scripted: Why it cannot where a part of the module is compiled by torch.jit, if that is why.

    Raises:
        ConversionError: Neither can be converted.
    """
    try:
        return convert(fresh(module))
    except ConversionError:
        if scripted and any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
            raise ConversionError(scripted) from None
        called = after_a_call(module, example)
        if called is None:
            raise
        return convert(called)


def after_a_call(module: nn.Module, example: torch.Tensor) -> nn.Module | None:
    """A copy that was called once, if that leaves tensors behind that were not there: a table built at the first call.

    Returns:
        None where nothing is left behind, or the call fails.
    """
    called = fresh(module)
    if called is module:
        return None
    before = _tensors(called)
    try:
        with torch.no_grad():
            called(example.clone())
    except Exception:  # the caller has the reason already
        return None
    return called.eval() if _tensors(called) != before else None


def _tensors(module: nn.Module) -> set[tuple[str, str, int]]:
    """The tensors that are plain attributes, or in a dictionary or list of one."""
    found = set()
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if key in ("_parameters", "_buffers", "_modules"):
                continue
            held = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
            found |= {(name, key, id(item)) for item in held if isinstance(item, torch.Tensor)}
    return found
