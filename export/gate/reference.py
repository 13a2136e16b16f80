"""What the PyTorch module gives for the pictures, in batches of every size that is verified."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tritonrepo.client.decode import Scores
from tritonrepo.export import copies, memory
from tritonrepo.export.blame import gist, where
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate.consistency import FIRST_CALL, Company, array, call
from tritonrepo.export.gate.scores import settle
from tritonrepo.repository.scores import comparable, scale
from tritonrepo.repository.tolerance import FP32

Images = NDArray[np.float32]
Inputs = NDArray[Any]
"""Pictures as an artifact takes them."""
Values = NDArray[np.float32]
Batch = NDArray[np.intp]
"""The numbers of the pictures that are in one batch, in order."""


@dataclass(frozen=True)
class Reference:
    """What the PyTorch module computes.

    Attributes:
        images: FP32 `[N, channels, H, W]`.
        inputs: The same pictures as an artifact takes them: `images`, or UINT8 `[N, H, W, channels]`.
        values: FP32 `[N, classes]`, as the largest batches give them.
        batches: Those that an artifact has to run: each size that is verified, and every picture at the largest.
        outputs: FP32 `[size, classes]` for each of the batches.
        scores: What the values are.
    """

    images: Images
    inputs: Inputs
    values: Values
    batches: tuple[Batch, ...]
    outputs: tuple[Values, ...]
    scores: Scores

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The sizes that are verified, ascending."""
        return tuple(sorted({len(batch) for batch in self.batches}))


def batch_sizes(max_batch_size: int) -> tuple[int, ...]:
    """1, 3, an odd size in the middle and the maximum, without what exceeds the maximum.

    The middle is that of the ratios, so that no size is far from one that is verified: 1, 3, 13, 64.
    """
    middle = int(np.sqrt(3 * max_batch_size)) | 1
    return tuple(sorted({size for size in (1, 3, middle, max_batch_size) if size <= max_batch_size}))


def plan(pictures: int, max_batch_size: int) -> tuple[Batch, ...]:
    """The batches to run: the smaller sizes in permuted order, then every picture in batches of the largest."""
    permuted = np.random.default_rng(0).permutation(pictures)
    smaller = tuple(permuted[:size] for size in batch_sizes(max_batch_size)[:-1])
    starts = range(0, pictures, max_batch_size)
    largest = tuple((np.arange(max_batch_size) + start) % pictures for start in starts)
    return smaller + largest


@memory.kept()
def observe(module: nn.Module, images: Images, max_batch_size: int, stated: Scores | None = None) -> Reference:
    """Run the module on every batch, and make sure that it agrees with itself.

    Args:
        module: In evaluation mode. It is not called: copies of it are, where it can be copied.
        images: FP32 `[N, 3, H, W]`.
        max_batch_size: The largest batch to verify, `N` at most.
        stated: What the scores are, if the spec says so.

    Raises:
        VerificationError: The module fails, its output is not FP32 `[N, classes]`, it holds NaN or +infinity, or it
            depends on more than the picture.
        UsageError: The values are not what is stated.
    """
    batches = plan(len(images), max_batch_size)
    first, second = copies.fresh(module), copies.fresh(module)
    elsewhere = max(len(batch_sizes(max_batch_size)) - 2, 0)
    callers = [second if index == elsewhere else first for index in range(len(batches))]
    outputs = tuple(_run(caller, images, batch, module) for caller, batch in zip(callers, batches, strict=True))
    values = np.empty((len(images), outputs[0].shape[1]), np.float32)
    for batch, output in zip(batches, outputs, strict=True):
        values[batch] = output
    result = Reference(images, images, values, batches, outputs, settle(stated, values))
    if not scale(comparable(values, result.scores, FP32.faintest)) > 0:
        raise VerificationError("PyTorch: the module gives every class the same score; check its weights")
    company = Company(images, values, result.scores)
    for batch, output in zip(batches, outputs, strict=True):
        company.check(first, batch, output)
    # Once more, after another first call: what that call left behind is not this batch's.
    again = batches[min(1, len(batches) - 1)]
    company.check(second, again, _run(second, images, again, module))
    return result


def _run(called: nn.Module, images: Images, batch: Batch, module: nn.Module) -> Values:
    """One batch through a module that may have been called before; `module` has not."""
    try:
        output = call(called, images[batch])
    except (Exception, SystemExit) as exc:  # a module of the user's may raise anything
        raise VerificationError(_failure(exc, images, batch, module)) from exc
    _check_output(output, len(batch))
    values: Values = array(output)
    _check_values(values, batch)
    return values


def _failure(exc: BaseException, images: Images, batch: Batch, module: nn.Module) -> str:
    shape = [len(batch), *images.shape[1:]]
    said = f"PyTorch: the module fails on a batch {shape}: {type(exc).__name__}: {gist(exc)}{where(exc)}"
    if any(word in str(exc).lower() for word in ("bfloat16", "half", "double", "complex")):
        return f"{said}; its forward casts to another precision, and its parameters are FP32: take out the cast"
    try:
        call(copies.fresh(module), images[batch])
    except (Exception, SystemExit):  # not for want of a first call
        return said
    return f"{said}. As its first call it does not fail: {FIRST_CALL}"


def _check_output(output: object, size: int) -> None:
    if not isinstance(output, torch.Tensor):
        raise VerificationError(
            f"PyTorch: the module returns a {type(output).__name__}, expected a tensor of scores; let its forward "
            "return that alone"
        )
    if output.layout != torch.strided:
        raise VerificationError(
            f"PyTorch: the module returns a tensor of the layout {output.layout}; let its forward end with .to_dense()"
        )
    if output.dtype != torch.float32 or output.ndim != 2 or output.shape[0] != size:
        raise VerificationError(
            f"PyTorch: the module returns {output.dtype} {list(output.shape)} for a batch of {size}, "
            f"expected float32 [{size}, classes]{_advice(output)}"
        )
    if output.shape[1] < 2:
        raise VerificationError(f"PyTorch: the module has {output.shape[1]} class(es); a classifier has two at least")


def _advice(output: torch.Tensor) -> str:
    if output.dtype == torch.float32:
        return ""
    if output.is_complex():
        return "; let its forward end with real numbers, as .abs() gives them"
    if output.is_floating_point():
        return "; let its forward end with .float()"
    return "; if these are the numbers of classes, let its forward return the scores of which it takes the best"


def _check_values(values: Values, batch: Batch) -> None:
    """-inf masks a class, and is let through unless it masks all."""
    wrong = (np.isnan(values) | np.isposinf(values)).any(axis=1)
    if wrong.any():
        raise VerificationError(
            f"PyTorch: the module's own scores hold NaN or infinity, for picture {batch[int(np.argmax(wrong))]} of the "
            "verification pictures; check its weights"
        )
    masked = np.isneginf(values).all(axis=1)
    if masked.any():
        raise VerificationError(
            f"PyTorch: the module masks every class of picture {batch[int(np.argmax(masked))]}: all its scores are -inf"
        )
