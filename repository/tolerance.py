"""How far an artifact's scores may be off: at the gate, and in a server that is to serve it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.decode import Scores
from tritonrepo.repository.scores import comparable, differences


@dataclass(frozen=True)
class Tolerance:
    """What difference is let through. Each limit has to hold; no one of them sees every fault.

    Attributes:
        share: The largest difference of a score, as a share of the scale of all scores (see `scale`).
        relative: The same as a share of the score itself, for scores that are far larger than the others: a class that
            is masked by -1e4 is rounded to 1e-3, and no other class may be off by so much.
        probability: The largest difference of a probability. It sees what matters where one class outweighs all.
        top1: The least share of the pictures with the same best class, whatever the other limits say. One picture may
            have another, however few there are.
        tie: Two classes that the reference holds apart by no more than this share of the scale are equally good.
        faintest: Probabilities below are all taken for this one: the format rounds them coarsely, or to nothing.
        grain: How far an independent score may be off by itself: runtimes approximate the sigmoid, and near 1 the
            format has few numbers.
        reason: Why that much.
    """

    share: float
    relative: float
    probability: float
    top1: float
    tie: float
    faintest: float
    grain: float
    reason: str


FP32 = Tolerance(
    share=1e-3,
    relative=1e-5,
    probability=1e-2,
    top1=0.99,
    tie=1e-3,
    faintest=1e-30,
    grain=1e-6,
    reason="FP32 rounds to 6e-8; other summation orders in some hundred layers leave about 1e-5 of the scale. A "
    "hundred times that still lies far below what a real defect (a wrong weight, channel order, a missing layer) does",
)
FP16 = Tolerance(
    share=5e-2,
    relative=4e-3,
    probability=5e-2,
    top1=0.95,
    tie=1e-2,
    faintest=1e-5,
    grain=1e-3,
    reason="FP16 rounds to 5e-4; over a hundred layers, independent roundings add up to 5e-4 * sqrt(100) = 5e-3 of the "
    "scale on average, and the worst of some thousand scores lies four standard deviations out, near 2e-2",
)
TOLERANCES = {"FP32": FP32, "FP16": FP16}


@dataclass(frozen=True)
class Rounding:
    """What INT8 may cost, on photographs that no range was measured on.

    Attributes:
        top1: The least share of the photographs with the same best class, or one as good.
        tie: Two classes that the reference holds apart by no more than this share of the scale are equally good.
        close: And so are two whose probabilities are no farther apart than this, as all are in an untrained network.
        divergence: The most that Kullback and Leibler's divergence may be on average, in nats.
        probability: The largest difference of a probability.
        share: As a share of the scale, how far a score is off at most by rounding; shown, and not a limit of its own.
        reason: Why that much.
    """

    top1: float
    tie: float
    close: float
    divergence: float
    probability: float
    share: float
    reason: str

    @property
    def words(self) -> str:
        """The limits, for a message."""
        return (
            f"at least {self.top1:.0%} must agree, the divergence be at most {self.divergence:g} and the probability "
            f"off by at most {self.probability:g}"
        )


INT8 = Rounding(
    top1=0.96,
    tie=0.1,
    close=0.005,
    divergence=0.05,
    probability=0.25,
    share=1.0,
    reason="With 7 bits of weight, independent roundings in fifty layers leave about 0.13 of the scale in a score "
    "(EfficientNet-Lite0, measured): classes closer than 0.1 of it cannot be told apart, and the probability of one "
    "between 0.3 and 0.7 moves by 0.1 to 0.2. A range that is too narrow, or a layer that does not bear rounding, "
    "costs several times as much",
)


def allowed(wanted: NDArray[Any], scores: Scores, tolerance: Tolerance, size: float) -> NDArray[np.float64]:
    """How far each of `[…, classes]` may be off, on the scale of `comparable`.

    Args:
        wanted: The reference's values.
        scores: What they are.
        tolerance: Of the format.
        size: The `scale` of all.
    """
    exact = comparable(wanted, scores, tolerance.faintest)
    reach = np.abs(np.where(np.isneginf(exact), 0.0, exact))
    limit: NDArray[np.float64] = tolerance.share * size + tolerance.relative * reach
    if scores == "independent":
        likely = 1 / (1 + np.exp(-exact))
        limit += tolerance.grain / (likely * (1 - likely))  # the slope of the log-odds
    return limit


def disagreement(
    actual: NDArray[Any], wanted: NDArray[Any], scores: Scores, size: float, tolerance: Tolerance = FP32
) -> tuple[int, int] | None:
    """Row and class of `[N, classes]` that differ most beyond the tolerance; None if none does.

    Args:
        actual: The scores that are judged.
        wanted: What they are to be.
        scores: What both are.
        size: The `scale` of all.
        tolerance: Of the format.
    """
    left, right = (comparable(values, scores, tolerance.faintest) for values in (actual, wanted))
    with np.errstate(invalid="ignore"):
        excess = np.abs(differences(left, right)) - allowed(wanted, scores, tolerance, size)
    excess = np.where(np.isnan(excess), np.inf, excess)
    row, column = np.unravel_index(int(np.argmax(excess)), excess.shape)
    return (int(row), int(column)) if excess[row, column] > 0 else None
