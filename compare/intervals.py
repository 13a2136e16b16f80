"""Confidence intervals and tests over windows, from Student's t distribution.

A window's figure is one observation; the windows of a cell are spread over the whole run, so that their scatter holds
the machine's drift as well as the noise.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided 95% confidence limits.

    Attributes:
        mean: Of the observations.
        low: The lower limit; NaN where one observation cannot give any.
        high: The upper limit, or NaN.
    """

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the distance of the limits; NaN where there are none."""
        return (self.high - self.low) / 2

    @property
    def known(self) -> bool:
        """Whether there are limits."""
        return not math.isnan(self.low)

    def overlaps(self, other: Interval) -> bool:
        """Also true where there are no limits: nothing tells the two apart."""
        return not (self.low > other.high or other.low > self.high)


@dataclass(frozen=True)
class Difference:
    """Two means' difference.

    Attributes:
        interval: The second mean less the first, with its limits.
        p_value: The probability of a difference as large by chance.
    """

    interval: Interval
    p_value: float


def interval(values: Sequence[float]) -> Interval:
    """The interval of a mean, from Student's t with n - 1 degrees of freedom.

    Raises:
        ValueError: There is no value.
    """
    if not values:
        raise ValueError("no value to take the mean of")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean, math.nan, math.nan)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    half = float(quantile * np.std(values, ddof=1) / math.sqrt(len(values)))
    return Interval(mean, mean - half, mean + half)


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Welch's test, for unequal variances.

    Without two values on both sides nothing can be said: the limits are NaN and the probability is 1.
    """
    change = float(np.mean(second) - np.mean(first))
    if min(len(first), len(second)) < 2:
        return Difference(Interval(change, math.nan, math.nan), 1.0)
    if np.ptp(first) == np.ptp(second) == 0:
        return Difference(Interval(change, change, change), 1.0 if change == 0 else 0.0)
    with warnings.catch_warnings():
        # The windows of one side may be exactly alike, of which scipy warns.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        found = stats.ttest_ind(second, first, equal_var=False)
    limits = found.confidence_interval(CONFIDENCE)
    return Difference(Interval(change, float(limits.low), float(limits.high)), float(found.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: with many cells some look changed by chance; these p-values allow for it."""
    adjusted, worst = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = worst
    return adjusted


def spread(values: Sequence[float]) -> float:
    """How far the largest value is above the smallest: 0.1 is 10%. Infinite if the smallest is not positive."""
    return max(values) / min(values) - 1 if min(values) > 0 else math.inf
