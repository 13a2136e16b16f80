"""Criteria that cannot be are refused."""

from __future__ import annotations

import math

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.compare.criteria import Criteria


@pytest.mark.parametrize("name", ["latency_budget", "price", "tolerance", "max_slowdown", "max_regression"])
@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_numbers_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=r"it must be (more than 0|0 or more)"):
        Criteria(**{name: value})


def test_the_limits_of_the_ranges() -> None:
    Criteria(price=0.0, tolerance=0.0, max_slowdown=math.inf, max_regression=0.0)
    with pytest.raises(UsageError):
        Criteria(latency_budget=0.0)
