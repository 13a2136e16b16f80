"""Whether the models give the same answers: each against a reference, on the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.decode import Scores, probabilities
from tritonrepo.client.transport import Inference, Transport
from tritonrepo.compare.inputs import Inputs
from tritonrepo.repository.scores import comparable, differences, scale

TOP = 5
LEAST_TOP1 = 0.5
"""The least share of the images with the same first class. Rounding alone swaps classes that are nearly equal, as an
untrained network's are, so that a few of eight images may differ."""
FAINTEST = 1e-5
"""FP16 rounds probabilities below coarsely, or to nothing."""
FAR = 0.04
"""A class that is 25 spreads or more away from the middle, as one masked by -1e4, is measured by this share of its
distance: FP16 rounds it by more than a tenth of the spread."""


@dataclass(frozen=True)
class DifferingImage:
    """An image with another first class.

    Attributes:
        image: Its name.
        reference_class: The index of the reference's first class.
        model_class: The index of the model's.
        difference: The largest difference of a probability.
    """

    image: str
    reference_class: int
    model_class: int
    difference: float


@dataclass(frozen=True)
class Agreement:
    """A model against the reference on the same images. Figures are NaN where an answer is none.

    Attributes:
        model: Its name.
        reference: The reference's name.
        images: How many.
        worst_difference: Of each image's probabilities the one that differs most; the largest over the images.
        mean_difference: The mean of these over the images.
        worst_shift: The largest difference of a logit, as a share of the reference's spread over the classes (see
            `repository.scores.scale`; for a class far from all others, a share of that distance). A constant that is
            added to all the logits is no difference. Of probabilities, the logarithms are compared.
        top1: Share of the images with the same first class.
        top5: Share of the images with the same first five classes, in any order.
        differing: The images with another first class, the worst first.
    """

    model: str
    reference: str
    images: int
    worst_difference: float
    mean_difference: float
    worst_shift: float
    top1: float
    top5: float
    differing: tuple[DifferingImage, ...] = ()

    def within(self, tolerance: float) -> bool:
        """Whether the answers are the same but for rounding; false also for NaN.

        No logit may be off by more than `tolerance` of the spread, and no probability by more than `tolerance`; and
        whatever these say, models that mostly name another first class do not agree.
        """
        return self.worst_shift <= tolerance and self.worst_difference <= tolerance and self.top1 >= LEAST_TOP1


def answers(transport: Transport, contract: ModelContract, inputs: Inputs) -> NDArray[np.float64]:
    """Ask the model for its scores, by requests of at most its maximum.

    Returns:
        FP64 `[images, classes]`.

    Raises:
        TritonRepoError: What the transport raises.
    """
    size = min(contract.max_batch_size, len(inputs.names)) if contract.batched else 1
    parts = []
    for start in range(0, len(inputs.names), size):
        part = inputs.tensors[start : start + size]
        request = Inference(
            contract.name,
            contract.input.name,
            contract.output.name,
            part if contract.batched else part[0],
            expected=len(part) * contract.classes,
        )
        parts.append(transport.infer(request).values.reshape(len(part), contract.classes))
    scores: NDArray[np.float64] = np.concatenate(parts).astype(np.float64)
    return scores


def compare(
    model: str,
    reference: str,
    images: Sequence[str],
    got: NDArray[np.float64],
    expected: NDArray[np.float64],
    kinds: tuple[Scores, Scores] = ("logits", "logits"),
) -> Agreement:
    """Compare two models' scores.

    Args:
        model: Its name.
        reference: The reference's name.
        images: Their names.
        got: The model's scores, FP64 `[images, classes]`.
        expected: The reference's.
        kinds: What the model's scores are, and what the reference's are.
    """
    with np.errstate(invalid="ignore"):  # infinity, of which nothing but NaN comes
        apart = np.abs(probabilities(got, kinds[0]) - probabilities(expected, kinds[1])).max(axis=1)
    firsts, best = _best(got, 1)[:, 0], _best(expected, 1)[:, 0]
    same_first = firsts == best
    same_five = (np.sort(_best(got, TOP), axis=1) == np.sort(_best(expected, TOP), axis=1)).all(axis=1)
    differing = [
        DifferingImage(images[i], int(best[i]), int(firsts[i]), float(apart[i])) for i in np.flatnonzero(~same_first)
    ]
    return Agreement(
        model=model,
        reference=reference,
        images=len(images),
        worst_difference=float(apart.max()),
        mean_difference=float(apart.mean()),
        worst_shift=_worst_shift(got, expected, kinds),
        top1=float(same_first.mean()),
        top5=float(same_five.mean()),
        differing=tuple(sorted(differing, key=lambda one: -one.difference)),
    )


def _worst_shift(got: NDArray[np.float64], expected: NDArray[np.float64], kinds: tuple[Scores, Scores]) -> float:
    """As in `Agreement`; NaN if a score is NaN or infinity, unless both models mask that class by -inf."""
    left, right = (comparable(values, kind, FAINTEST) for values, kind in zip((got, expected), kinds, strict=True))
    shifts = differences(left, right)
    if not np.isfinite(shifts).all():
        return math.nan
    if "independent" not in kinds:  # softmax does not see a constant that is added to all classes, so nor shall we
        shifts -= np.median(shifts, axis=1, keepdims=True)
    masked = np.isneginf(right)
    if masked.all(axis=1).any():
        return math.nan
    known = np.where(masked, np.nan, right)
    distances = np.where(masked, 0.0, np.abs(known - np.nanmedian(known, axis=1, keepdims=True)))
    units = np.maximum(np.maximum(scale(right), np.finfo(np.float64).tiny), FAR * distances)
    return float((np.abs(shifts) / units).max())


def _best(scores: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    order: NDArray[np.intp] = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return order
