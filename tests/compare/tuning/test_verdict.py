"""When a challenger takes the place of what is there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.compare.reports import cell
from tritonrepo.compare.cells import Cell
from tritonrepo.compare.tuning.verdict import hold

TEN = (10.0, 10.1, 9.9, 10.0, 10.0)
TWELVE = (12.0, 12.1, 11.9, 12.0, 12.0)
SCATTERED = (6.0, 16.0, 9.0, 12.0, 13.0)


def made(rates: Sequence[float], latency: float = 100.0) -> Cell:
    return cell("net", rates=rates, latency=latency)


def test_more_by_more_than_chance_is_better() -> None:
    verdict = hold(made(TEN), made(TWELVE), None)
    assert verdict.better
    assert verdict.gain is not None
    assert 0.18 < verdict.gain.low < 0.2 < verdict.gain.high < 0.22
    assert verdict.reason.startswith("+20.0% images/s (95% interval +")


@pytest.mark.parametrize("rates", [TEN, SCATTERED, [value - 2 for value in TEN]])
def test_the_same_and_less_and_perhaps_more_are_no_better(rates: Sequence[float]) -> None:
    verdict = hold(made(TEN), made(rates), None)
    assert not verdict.better
    assert "may be chance" in verdict.reason


def test_a_limit_that_is_broken_is_no_better_however_fast() -> None:
    verdict = hold(made(TEN, 40), made(TWELVE, 60), 50)
    assert (verdict.better, verdict.reason) == (False, "it does not keep 50 ms: its p95 is 60.0 ms")


def test_to_keep_a_limit_that_was_broken_is_better_also_if_slower() -> None:
    verdict = hold(made(TWELVE, 84), made(TEN, 40), 50)
    assert (verdict.better, verdict.reason) == (True, "its p95 is 40.0 ms, within 50, and was 84.0")


@pytest.mark.parametrize("rates", [TWELVE[:2], ()])
def test_too_few_rounds_say_nothing(rates: Sequence[float]) -> None:
    verdict = hold(made(TEN), made(rates), None)
    assert (verdict.better, verdict.gain) == (False, None)
    assert "longer budget" in verdict.reason


def test_failures_are_never_better() -> None:
    assert not hold(made(TEN), cell("net", rates=TWELVE, failures={"refused": 1}), None).better
