"""The gate: an artifact, run by its own runtime, against the eager PyTorch module. Raises on a mismatch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tritonrepo.client.decode import softmax
from tritonrepo.export.blame import gist, where
from tritonrepo.export.errors import VerificationError
from tritonrepo.repository.manifest import Verification

Logits = NDArray[np.float32]
Runner = Callable[[NDArray[np.float32]], Logits]

TOP_K = 5
REFERENCE_CHUNK = 16
"""Images per pass of the reference: the same logits as in one pass of 64, at half the time and memory."""


@dataclass(frozen=True)
class Tolerance:
    """The largest difference of a logit that is let through.

    Attributes:
        share: Of the spread (standard deviation) of the reference's logits, because logits have no unit of their own.
        reason: Why that much.
    """

    share: float
    reason: str


FP32 = Tolerance(
    1e-3,
    "FP32 rounds to 6e-8; other summation orders in some hundred layers leave about 1e-5 of the spread. A hundred "
    "times that still lies far below what a real defect (a wrong weight, channel order, a missing layer) does",
)
FP16 = Tolerance(
    5e-2,
    "FP16 rounds to 5e-4; over a hundred layers, independent roundings add up to 5e-4 * sqrt(100) = 5e-3 of the spread "
    "on average, and the worst of some thousand logits lies four standard deviations out, near 2e-2",
)
TOLERANCES = {"FP32": FP32, "FP16": FP16}


@dataclass(frozen=True)
class Reference:
    """What the PyTorch module computes.

    Attributes:
        images: FP32 `[N, 3, H, W]`, N the largest batch size to verify.
        logits: FP32 `[N, classes]`.
        batch_sizes: Those to verify.
    """

    images: NDArray[np.float32]
    logits: Logits
    batch_sizes: tuple[int, ...]

    @property
    def spread(self) -> float:
        """Standard deviation of the logits about each image's mean."""
        centred = self.logits - self.logits.mean(axis=1, keepdims=True)
        return float(np.sqrt(np.mean(np.square(centred, dtype=np.float64))))


def batch_sizes(max_batch_size: int) -> tuple[int, ...]:
    """1, 3 and the maximum, without what exceeds the maximum."""
    return tuple(sorted({size for size in (1, 3, max_batch_size) if size <= max_batch_size}))


def reference(module: nn.Module, images: NDArray[np.float32], max_batch_size: int) -> Reference:
    """The eager module's logits for `images`, FP32 `[max_batch_size, 3, H, W]`.

    Raises:
        VerificationError: The module fails, its output is not FP32 `[N, classes]`, or it is not finite.
    """
    try:
        with torch.inference_mode():
            outputs = [module(chunk) for chunk in torch.split(torch.from_numpy(images), REFERENCE_CHUNK)]
    except Exception as exc:  # a module of the user's may raise anything
        raise VerificationError(
            f"PyTorch: the module fails on a batch {list(images.shape)}: {type(exc).__name__}: {gist(exc)}{where(exc)}"
        ) from exc
    for output, start in zip(outputs, range(0, len(images), REFERENCE_CHUNK), strict=True):
        _check_output(output, min(REFERENCE_CHUNK, len(images) - start))
    logits = torch.cat(outputs).numpy()
    if not np.isfinite(logits).all():
        raise VerificationError("PyTorch: the module's own logits hold NaN or infinity; check its weights")
    result = Reference(images, logits, batch_sizes(max_batch_size))
    if not result.spread > 0:
        raise VerificationError("PyTorch: the module gives every class the same logit; check its weights")
    return result


def _check_output(output: object, size: int) -> None:
    if not isinstance(output, torch.Tensor):
        raise VerificationError(f"PyTorch: the module returns a {type(output).__name__}, expected a tensor of logits")
    if output.dtype != torch.float32 or output.ndim != 2 or output.shape[0] != size:
        raise VerificationError(
            f"PyTorch: the module returns {output.dtype} {list(output.shape)} for a batch of {size}, "
            f"expected float32 [{size}, classes]"
        )
    if output.shape[1] < 2:
        raise VerificationError(f"PyTorch: the module has {output.shape[1]} class(es); a classifier has two at least")


def verify(run: Runner, expected: Reference, tolerance: Tolerance, name: str) -> Verification:
    """Run the artifact at each batch size and compare.

    Args:
        run: The artifact: FP32 `[N, 3, H, W]` -> FP32 `[N, classes]`.
        expected: What the PyTorch module computes.
        tolerance: How far a logit may be off.
        name: Of the format, for messages.

    Raises:
        VerificationError: It fails to run, returns another shape or dtype, NaN, or a logit that is off by more than the
            tolerance.
    """
    limit = tolerance.share * expected.spread
    worst_absolute = worst_probability = 0.0
    actual = expected.logits[:0]
    for size in expected.batch_sizes:
        actual = _run(run, expected.images[:size], expected.logits[:size], name)
        wanted = expected.logits[:size]
        worst_absolute = max(worst_absolute, _worst(actual, wanted))
        worst_probability = max(worst_probability, _worst(softmax(actual), softmax(wanted)))
        if worst_absolute > limit:
            raise VerificationError(_mismatch(actual, wanted, limit, name, tolerance))
    return Verification(
        batch_sizes=expected.batch_sizes,
        images=len(actual),
        tolerance=limit,
        tolerance_reason=tolerance.reason,
        worst_absolute=worst_absolute,
        worst_relative=worst_absolute / expected.spread,
        worst_probability=worst_probability,
        top1_agreement=_agreement(actual, expected.logits, 1),
        top5_agreement=_agreement(actual, expected.logits, TOP_K),
    )


def _run(run: Runner, images: NDArray[np.float32], wanted: Logits, name: str) -> Logits:
    try:
        actual = run(images)
    except Exception as exc:  # each runtime has its own root of errors
        raise VerificationError(
            f"{name}: fails on a batch of {len(images)}: {gist(exc).rstrip('.')}. "
            "If only other batch sizes work, the artifact has a fixed batch dimension"
        ) from exc
    if actual.shape != wanted.shape or actual.dtype != np.float32:
        raise VerificationError(
            f"{name}: returns {actual.dtype} {list(actual.shape)} for a batch of {len(images)}, "
            f"expected float32 {list(wanted.shape)}"
        )
    if not np.isfinite(actual).all():
        image = int(np.argmax(~np.isfinite(actual).all(axis=1)))
        raise VerificationError(f"{name}: NaN or infinity in the logits of image {image} in a batch of {len(images)}")
    return actual


def _mismatch(actual: Logits, wanted: Logits, limit: float, name: str, tolerance: Tolerance) -> str:
    difference = np.abs(actual - wanted)
    image, index = np.unravel_index(int(np.argmax(difference)), difference.shape)
    return (
        f"{name}: does not match PyTorch at batch size {len(actual)}: logit {index} of image {image} is "
        f"{actual[image, index]:.6g}, expected {wanted[image, index]:.6g}; the difference {difference.max():.3g} "
        f"exceeds the tolerance {limit:.3g} ({tolerance.share:g} of the logits' spread); "
        f"top-1 agreement {_agreement(actual, wanted, 1):.0%}"
    )


def _worst(actual: NDArray[Any], wanted: NDArray[Any]) -> float:
    return float(np.abs(actual - wanted).max())


def _agreement(actual: Logits, wanted: Logits, k: int) -> float:
    """Share of the images whose k best classes are the same set."""
    same = [set(a) == set(w) for a, w in zip(_best(actual, k), _best(wanted, k), strict=True)]
    return sum(same) / len(same)


def _best(logits: Logits, k: int) -> Sequence[Sequence[int]]:
    best: list[list[int]] = np.argsort(-logits, axis=1, kind="stable")[:, :k].tolist()
    return best
