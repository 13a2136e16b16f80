"""Student's t, Welch's test and Holm's adjustment against published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tritonrepo.compare.intervals import Interval, difference, holm, interval, spread


@pytest.mark.parametrize(
    ("values", "quantile"),
    [(2, 12.7062), (3, 4.30265), (4, 3.18245), (5, 2.77645), (6, 2.57058), (10, 2.26216), (31, 2.04227)],
)
def test_the_quantiles_are_those_of_the_tables(values: int, quantile: float) -> None:
    """The half width is the quantile for n - 1 degrees of freedom times the mean's standard error."""
    numbers = list(np.random.default_rng(values).normal(50, 5, values))
    error = float(np.std(numbers, ddof=1)) / math.sqrt(values)
    assert interval(numbers).half_width / error == pytest.approx(quantile, rel=1e-5)


def test_an_interval_of_known_numbers() -> None:
    found = interval([9.0, 10.0, 11.0, 10.0, 10.0])
    half = 2.776445 * math.sqrt(0.5) / math.sqrt(5)
    assert (found.mean, found.low, found.high) == pytest.approx((10.0, 10 - half, 10 + half))


def test_one_value_has_no_limits() -> None:
    found = interval([3.0])
    assert found.mean == 3.0
    assert math.isnan(found.low)
    with pytest.raises(ValueError, match="no value"):
        interval([])


@pytest.mark.slow
def test_nineteen_of_twenty_intervals_hold_the_mean() -> None:
    rng = np.random.default_rng(0)
    found = [interval(list(rng.normal(50.0, 5.0, 5))) for _ in range(4000)]
    assert np.mean([one.low <= 50 <= one.high for one in found]) == pytest.approx(0.95, abs=0.012)


def test_welchs_example() -> None:
    """Two samples whose statistic and degrees of freedom are easy to work out by hand.

    The t for 2.5^2 / ((0.5^2 + 2.0^2) / 4) = 5.882 degrees of freedom lies between the tables' 2.571 for 5 and 2.447
    for 6; the p-value of t = 1.897 lies between those for 5 and 6 degrees of freedom, 0.1163 and 0.1066.
    """
    found = difference([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.0, 6.0, 8.0, 10.0])
    error = math.sqrt(2.5 / 5 + 10 / 5)
    assert found.interval.mean == pytest.approx(3.0)
    assert found.interval.half_width == pytest.approx(2.4587 * error, rel=1e-4)
    assert found.p_value == pytest.approx(0.10753, abs=1e-4)


@pytest.mark.slow
def test_by_chance_one_difference_in_twenty_is_significant() -> None:
    rng = np.random.default_rng(1)
    found = [difference(list(rng.normal(0, 1, 5)), list(rng.normal(0, 3, 8))).p_value for _ in range(3000)]
    assert np.mean([p < 0.05 for p in found]) == pytest.approx(0.05, abs=0.015)


def test_the_same_values_do_not_differ() -> None:
    assert difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).p_value == 1.0
    assert difference([2.0, 2.0], [2.0, 2.0]).p_value == 1.0
    assert difference([2.0, 2.0], [3.0, 3.0]).p_value == 0.0
    assert difference([2.0], [3.0, 3.0]).p_value == 1.0


def test_one_side_may_be_exactly_constant() -> None:
    """Then the other side alone has a variance: one-sample t, 2 degrees of freedom, t = 5 / (1 / sqrt 3)."""
    found = difference([10.0, 10.0, 10.0], [14.0, 15.0, 16.0])
    assert found.interval.half_width == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)
    assert found.p_value == pytest.approx(0.01307, abs=1e-4)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_overlap_and_spread() -> None:
    assert Interval(2, 1, 3).overlaps(Interval(4, 3, 5))
    assert not Interval(2, 1, 3).overlaps(Interval(5, 4, 6))
    assert not Interval(5, 4, 6).overlaps(Interval(2, 1, 3))
    assert interval([1.0]).overlaps(interval([9.0]))
    assert spread([10.0, 11.0]) == pytest.approx(0.1)
    assert spread([0.0, 1.0]) == math.inf
