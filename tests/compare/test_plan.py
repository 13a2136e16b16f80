"""A plan that cannot be is refused; one that can is tidy."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.compare.plan import Plan


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 0}, "a window of 0 s"),
        ({"window": math.nan}, "a window of nan s"),
        ({"window": math.inf}, "a window of inf s"),
        ({"windows": 2}, "2 windows: the stability rule and the intervals need 3"),
        ({"stability": 0}, "a stability of 0%"),
        ({"batch_sizes": [8, 0]}, "a batch size of 0: it must be at least 1"),
        ({"batch_sizes": []}, "no batch size is given"),
        ({"concurrency": [-1]}, "a concurrency of -1: it must be at least 1"),
        ({"concurrency": []}, "no concurrency is given"),
        ({"request_rates": [0.0]}, "a request rate of 0:"),
        ({"request_rates": [math.inf]}, "a request rate of inf:"),
        ({"models": []}, r"models \(\): give their names"),
        ({"models": ["a", ""]}, "models 'a', '': give their names"),
        ({"models": ["a"], "reference": "b"}, "the reference b is not among the models: a"),
        ({"engine": "ab"}, "engine 'ab' is not one of python, perf_analyzer"),
        ({"distribution": "normal"}, "distribution 'normal' is not one of constant, poisson"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Plan(**wrong)


def test_repetitions_are_dropped_and_a_text_is_one_item() -> None:
    plan = Plan(images="photos/", models="m", batch_sizes=[8, 1, 8], concurrency=iter([2, 2]))  # type: ignore[arg-type]
    assert (plan.images, plan.models) == (("photos/",), ("m",))
    assert (plan.batch_sizes, plan.concurrency, plan.largest_batch) == ((8, 1), (2,), 8)
    assert hash(plan) == hash(Plan(images=["photos/"], models=["m"], batch_sizes=[8, 1], concurrency=[2]))


def test_no_cell_gets_fewer_windows_at_most_than_at_least() -> None:
    assert Plan(windows=12).most_windows == 12


def test_an_open_loop_needs_no_concurrency() -> None:
    assert Plan(request_rates=[10.0], concurrency=[]).request_rates == (10.0,)
