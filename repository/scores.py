"""Two models' scores on one scale: how far apart classes lie, and how far the models are apart."""

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


def comparable(values: NDArray[Any], scores: Scores, faintest: float) -> NDArray[np.float64]:
    """`[…, classes]` of any kind of scores -> FP64 on the scale of logits, where differences have one meaning.

    Probabilities of 1e-9 and 1e-6 differ by nothing and by a thousandfold; their logarithms say it.

    Args:
        values: As the model gives them.
        scores: What they are.
        faintest: Probabilities below are all taken for this one.
    """
    exact = np.asarray(values, np.float64)
    if scores in ("logits", "log-probabilities"):
        return exact
    known: NDArray[np.float64] = np.maximum(exact, faintest)
    if scores == "probabilities":
        logarithms: NDArray[np.float64] = np.log(known)
        return logarithms
    likely = np.minimum(known, 1 - SUREST)
    odds: NDArray[np.float64] = np.log(likely) - np.log1p(-likely)
    return odds


def differences(actual: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of `actual` to `wanted`, with their signs; 0 where both are -inf, which masks a class."""
    masked = np.isneginf(actual) & np.isneginf(wanted)
    with np.errstate(invalid="ignore"):  # infinity on both sides, of which NaN comes
        apart: NDArray[np.float64] = np.where(masked, 0.0, actual) - np.where(masked, 0.0, wanted)
    return apart
