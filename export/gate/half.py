"""What becomes of the module in FP16, computed by PyTorch itself.

ONNX Runtime has no FP16 kernels for a CPU and computes in FP32 there: a network that overflows in FP16 passes. PyTorch
computes in FP16 on a CPU too, slowly, so a few pictures have to do.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._pytree import tree_leaves

from tritonrepo.export import copies
from tritonrepo.export.blame import gist, where
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate.consistency import array, call
from tritonrepo.export.gate.pictures import FIRST_EXTREME
from tritonrepo.export.gate.reference import Reference
from tritonrepo.export.gate.verify import Judge
from tritonrepo.export.precision import HalfPrecision
from tritonrepo.repository.manifest import EagerFp16
from tritonrepo.repository.tolerance import FP16

RUNTIME = "eager FP16 in PyTorch"
PICTURES = (0, FIRST_EXTREME, FIRST_EXTREME + 1, FIRST_EXTREME + 2)
"""A photograph, black, white, noise. A picture takes a large network some seconds."""
LARGEST = 65_504
"""The largest number of FP16."""


def check_weights(module: nn.Module, name: str) -> None:
    """Refuse weights that FP16 has not, before anything is converted.

    Args:
        module: In FP32.
        name: Of the format, for messages.

    Raises:
        VerificationError: A parameter, or a statistic of a normalisation, is beyond FP16. The message names the layer.
    """
    for owner, layer in module.named_modules():
        tensors = dict(layer.named_parameters(recurse=False))
        if isinstance(layer, _NormBase):
            tensors |= dict(layer.named_buffers(recurse=False))
        for key, tensor in tensors.items():
            value = _farthest(tensor)
            if abs(value) > LARGEST:
                raise VerificationError(
                    f"{name}: the {key} of the layer {owner} ({type(layer).__name__}) holds {value:,.0f}, and FP16 "
                    f"ends at {LARGEST:,}; export it in FP32, as the format onnx"
                )


def _farthest(tensor: torch.Tensor) -> float:
    """The value that is farthest from 0."""
    if not tensor.is_floating_point() or not tensor.numel():
        return 0.0
    low, high = tensor.detach().aminmax()
    return float(low if -low > high else high)


def prove(module: nn.Module, expected: Reference, name: str) -> EagerFp16:
    """Run the module in FP16 on a few pictures.

    Args:
        module: In FP32; it is not called.
        expected: What it gives in FP32.
        name: Of the format, for messages.

    Raises:
        VerificationError: It cannot be run in FP16, or what it gives is NaN or off by more than the tolerance. The
            message names the layer that overflows, or else loses most.
    """
    pictures = np.array([index for index in PICTURES if index < len(expected.images)])
    try:
        half = HalfPrecision(module)
        values = array(call(half, expected.images[pictures]))
    except Exception as exc:  # a module of the user's may raise anything
        raise VerificationError(f"{name}: the module cannot be run in FP16, {_reason(exc)}") from exc
    judge = Judge(expected, FP16, f"{name} ({RUNTIME})")
    try:
        judge.compare(values, expected.values[pictures], pictures)
        found = judge.conclude(RUNTIME)
    except VerificationError as exc:
        culprit = _culprit(module, expected.images[pictures], values)
        raise VerificationError(f"{exc}; {culprit}. Export it in FP32, as the format onnx") from exc
    return EagerFp16(RUNTIME, len(pictures), found.worst_absolute, found.worst_relative, found.top1_agreement)


def _reason(exc: Exception) -> str:
    if "not implemented for 'Half'" in str(exc):
        return f"so nothing proves that it survives FP16: PyTorch on this CPU has no such operator: {gist(exc)}"
    return f"{type(exc).__name__}: {gist(exc)}{where(exc)}"


@dataclass
class _Trace:
    """What the layers gave, in the order in which they ended.

    Attributes:
        names: As in `blocks.2.norm (LayerNorm)`.
        outputs: Their output tensors.
        given: Whether their inputs were all finite.
    """

    names: list[str] = field(default_factory=list)
    outputs: list[torch.Tensor] = field(default_factory=list)
    given: list[bool] = field(default_factory=list)


def _culprit(module: nn.Module, images: NDArray[np.float32], values: NDArray[np.float32]) -> str:
    """Which layer overflows, or loses most, on the picture that is off most."""
    broken = ~np.isfinite(values).all(axis=1)
    row = int(np.argmax(broken)) if broken.any() else 0
    picture = images[row : row + 1]
    full, half = copies.fresh(module), HalfPrecision(module)
    with _traced(full) as exact:
        call(full, picture)
    with _traced(half.module) as rounded:
        call(half, picture)
    if exact.names != rounded.names:
        return "it takes another way through its layers in FP16"
    overflow = _overflow(exact, rounded)
    if broken.any() and not overflow:
        last = f" after the layer {exact.names[-1]}" if exact.names else ""
        return f"the values overflow FP16, which ends at {LARGEST:,}, in the module's own code{last}"
    return overflow or _greatest_loss(exact, rounded)


@contextmanager
def _traced(module: nn.Module) -> Iterator[_Trace]:
    trace = _Trace()

    def note(name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        tensors = [value for value in tree_leaves(output) if isinstance(value, torch.Tensor)]
        if tensors:
            trace.names.append(f"{name} ({type(layer).__name__})")
            trace.outputs.append(tensors[0].detach().float().clone())
            trace.given.append(all(_finite(value) for value in tree_leaves(inputs) if isinstance(value, torch.Tensor)))

    with ExitStack() as stack:
        for name, layer in module.named_modules():
            if name:
                hook = layer.register_forward_hook(lambda *found, name=name: note(name, *found))
                stack.callback(hook.remove)
        yield trace


def _finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _overflow(exact: _Trace, rounded: _Trace) -> str:
    """The first layer that is no longer finite; empty if all are."""
    for name, wanted, found, given in zip(rounded.names, exact.outputs, rounded.outputs, rounded.given, strict=True):
        if _finite(found) or not _finite(wanted):
            continue
        if not given:
            return (
                f"the values overflow FP16, which ends at {LARGEST:,}, in the module's own code before the layer {name}"
            )
        reach = float(wanted.abs().max())
        return f"the layer {name} overflows: its values reach {reach:,.0f} in FP32, and FP16 ends at {LARGEST:,}"
    return ""


def _greatest_loss(exact: _Trace, rounded: _Trace) -> str:
    """The layer at which the error, as a share of the output, grows most."""
    if not exact.names:
        return "it has no layers to name"
    errors = [
        float((found - wanted).norm() / wanted.norm().clamp_min(1e-30))
        for found, wanted in zip(rounded.outputs, exact.outputs, strict=True)
    ]
    growth = np.diff([0.0, *errors])
    worst = int(np.argmax(growth))
    return f"the layer {exact.names[worst]} loses most: its output is off by {errors[worst]:.1%}"
