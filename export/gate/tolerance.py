"""How far an artifact's scores may be off, and how far apart scores lie at all."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.decode import Scores

QN_CONSTANT = 2.2219
"""Makes Qn the standard deviation where the values are normally distributed."""
QN_VALUES = 400
"""Of more values than these, so many evenly spaced ones of their sorted row stand for all: 79,800 distances."""

SUREST = 1e-7
"""Independent scores closer to 1 are taken for this close, so that their odds are finite."""


@dataclass(frozen=True)
class Tolerance:
    """What difference is let through. Each limit has to hold; no one of them sees every fault.

    Attributes:
        share: The largest difference of a score, as a share of the scale of all scores (see `scale`).
        relative: The same as a share of the score itself, for scores that are far larger than the others: a class that
            is masked by -1e4 is rounded to 1e-3, and no other class may be off by so much.
        probability: The largest difference of a probability. It sees what matters where one class outweighs all.
        top1: The least share of the pictures with the same best class. Two classes that the reference itself holds
            apart by no more than the tolerance are as good as one another.
        faintest: Probabilities below are all taken for this one: the format rounds them coarsely, or to nothing.
        grain: How far an independent score may be off by itself: runtimes approximate the sigmoid, and near 1 the
            format has few numbers.
        reason: Why that much.
    """

    share: float
    relative: float
    probability: float
    top1: float
    faintest: float
    grain: float
    reason: str


FP32 = Tolerance(
    share=1e-3,
    relative=1e-5,
    probability=1e-2,
    top1=0.99,
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
    faintest=1e-5,
    grain=1e-3,
    reason="FP16 rounds to 5e-4; over a hundred layers, independent roundings add up to 5e-4 * sqrt(100) = 5e-3 of the "
    "scale on average, and the worst of some thousand scores lies four standard deviations out, near 2e-2",
)
TOLERANCES = {"FP32": FP32, "FP16": FP16}


def scale(values: NDArray[np.float64]) -> float:
    """How far apart the classes' scores lie: like a standard deviation, and no outlier can rule it.

    It is Qn of Rousseeuw and Croux (Journal of the American Statistical Association 88, 1993): about the first quartile
    of the distances between all pairs. Half of the classes may be masked by any number, and it stays where it is. Equal
    scores count once, so that many masked classes are one. Of all pictures the median: a black picture may be odd.

    Args:
        values: `[N, classes]`, on the scale of `comparable`; -inf is left out.

    Returns:
        Of the pictures that tell any classes apart; 0 if none does.
    """
    found = [size for row in values if (size := _qn(np.unique(row[np.isfinite(row)]))) > 0]
    return float(np.median(found)) if found else 0.0


def _qn(values: NDArray[np.float64]) -> float:
    """Qn of sorted, different values; 0 for fewer than two."""
    if len(values) < 2:
        return 0.0
    if len(values) > QN_VALUES:
        values = values[np.linspace(0, len(values) - 1, QN_VALUES).round().astype(int)]
    count = len(values)
    distances = np.abs(values[:, None] - values)[np.triu_indices(count, 1)]
    half = count // 2 + 1
    rank = half * (half - 1) // 2 - 1
    small_sample = count / (count + (1.4 if count % 2 else 3.8))
    return float(QN_CONSTANT * small_sample * np.partition(distances, rank)[rank])


def comparable(values: NDArray[Any], scores: Scores, tolerance: Tolerance) -> NDArray[np.float64]:
    """`[…, classes]` of any kind of scores -> FP64 on the scale of logits, where differences have one meaning.

    Probabilities of 1e-9 and 1e-6 differ by nothing and by a thousandfold; their logarithms say it. Where both sides
    have -inf, the difference of logits is no number: see `differences`.
    """
    exact = np.asarray(values, np.float64)
    if scores in ("logits", "log-probabilities"):
        return exact
    known: NDArray[np.float64] = np.maximum(exact, tolerance.faintest)
    if scores == "probabilities":
        logarithms: NDArray[np.float64] = np.log(known)
        return logarithms
    likely = np.minimum(known, 1 - SUREST)
    odds: NDArray[np.float64] = np.log(likely) - np.log1p(-likely)
    return odds


def allowed(wanted: NDArray[Any], scores: Scores, tolerance: Tolerance, size: float) -> NDArray[np.float64]:
    """How far each of `[…, classes]` may be off, on the scale of `comparable`.

    Args:
        wanted: The reference's values.
        scores: What they are.
        tolerance: Of the format.
        size: The `scale` of all.
    """
    exact = comparable(wanted, scores, tolerance)
    reach = np.abs(np.where(np.isneginf(exact), 0.0, exact))
    limit: NDArray[np.float64] = tolerance.share * size + tolerance.relative * reach
    if scores == "independent":
        likely = 1 / (1 + np.exp(-exact))
        limit += tolerance.grain / (likely * (1 - likely))  # the slope of the log-odds
    return limit


def differences(actual: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute; none where both are -inf, which masks a class."""
    masked = np.isneginf(actual) & np.isneginf(wanted)
    apart: NDArray[np.float64] = np.abs(np.where(masked, 0.0, actual) - np.where(masked, 0.0, wanted))
    return apart
