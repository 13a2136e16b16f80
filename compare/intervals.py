"""Confidence intervals and tests over windows, from Student's t distribution.

A window's figure is one observation; the windows of a cell are spread over the whole run, so that their scatter holds
the machine's drift as well as the noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided 95% confidence limits; the limits are NaN where one window cannot give any."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
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
    """Two means' difference (second minus first) with its 95% limits, and the probability of one as large by chance."""

    interval: Interval
    p_value: float


def interval(values: Sequence[float]) -> Interval:
    """The mean's interval, from Student's t with n - 1 degrees of freedom. Raises ValueError without a value."""
    if not values:
        raise ValueError("no value to take the mean of")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean, math.nan, math.nan)
    half = t_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Welch's test, for unequal variances; the degrees of freedom (Welch-Satterthwaite) are rounded down.

    Without two values on both sides nothing can be said: the limits are NaN and the probability is 1.
    """
    change = float(np.mean(second) - np.mean(first))
    if min(len(first), len(second)) < 2:
        return Difference(Interval(change, math.nan, math.nan), 1.0)
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (first, second)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Difference(Interval(change, change, change), 1.0 if change == 0 else 0.0)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (first, second), strict=True)
    )
    degrees = max(1, math.floor(freedom))
    half = t_quantile(degrees) * error
    return Difference(Interval(change, change - half, change + half), 1 - t_central(abs(change) / error, degrees))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: with many cells some look changed by chance; these p-values allow for it."""
    adjusted, worst = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = worst
    return adjusted


def t_central(t: float, degrees: int) -> float:
    """The probability that |T| < t: the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    theta = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term = math.cos(theta) if odd else 1.0
    total = 0.0
    for step in range(2 + odd, degrees + 1, 2):
        total += term
        term *= math.cos(theta) ** 2 * (step - 1) / step
    if odd:
        return 2 / math.pi * (theta + math.sin(theta) * total)
    return math.sin(theta) * total


def t_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """The t with P(|T| < t) = confidence, by bisection."""
    low, high = 0.0, 1.0
    while t_central(high, degrees) < confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_central(middle, degrees) < confidence else (low, middle)
    return high


def spread(values: Sequence[float]) -> float:
    """How far the largest value is above the smallest: 0.1 is 10%. Infinite if the smallest is not positive."""
    return max(values) / min(values) - 1 if min(values) > 0 else math.inf
