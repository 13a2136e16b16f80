"""Take off what stands around a module for training, and is of no use to a server: it runs the module inside."""

from collections.abc import Callable

import torch
from torch import nn

WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
    "AveragedModel": "module",
}
"""Classes of PyTorch that wrap a module, and the attribute that holds it."""
COMPILED_FUNCTION = "_torchdynamo_orig_callable"


def unwrap(module: nn.Module, notice: Callable[[str], None]) -> nn.Module:
    """The module without `nn.DataParallel`, `torch.compile` and the like, at whatever depth they stand.

    Args:
        module: It is changed where a part of it is wrapped.
        notice: Is told what was taken off.
    """
    taken: list[str] = []
    bare = _bare(module, taken)
    if taken:
        notice(f"taken off: {', '.join(dict.fromkeys(taken))}; the module inside is exported")
    return bare


def _bare(module: nn.Module, taken: list[str]) -> nn.Module:
    while (attribute := _attribute(module)) is not None:
        taken.append(type(module).__name__)
        module = getattr(module, attribute)
    if getattr(module, "_compiled_call_impl", None) is not None:
        taken.append("Module.compile")
        module._compiled_call_impl = None
    if hasattr(vars(module).get("forward"), COMPILED_FUNCTION):
        taken.append("torch.compile of forward")
        module.forward = getattr(module.forward, COMPILED_FUNCTION)
    if isinstance(module, torch.jit.ScriptModule):
        return module
    for name, child in module.named_children():
        bare = _bare(child, taken)
        if bare is not child:
            setattr(module, name, bare)
    return module


def _attribute(module: nn.Module) -> str | None:
    """Where the module inside is, if this is a wrapper of PyTorch's."""
    kind = type(module)
    return WRAPPERS.get(kind.__name__) if kind.__module__.startswith("torch.") else None
