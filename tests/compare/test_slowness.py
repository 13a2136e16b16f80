"""Models that take much longer than the reference."""

from __future__ import annotations

import pytest

from tests.compare.reports import cell, make_report, window
from tritonrepo.compare.cells import Cell, Setting
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.slowness import slow_models, slowdown

REFERENCE = cell("m_a", 1, 1, (20, 20, 20.1))


def test_a_closed_loop_is_judged_by_throughput_and_an_open_one_by_latency() -> None:
    assert slowdown(cell("m_b", 1, 1, (4, 4, 4)), REFERENCE) == pytest.approx(5.0, rel=0.01)
    reference, slow = (
        Cell(Setting(model, 1, request_rate=5.0), tuple(window(5, latency) for _ in range(3)))
        for model, latency in (("m_a", 20.0), ("m_b", 50.0))
    )
    assert slowdown(slow, reference) == pytest.approx(2.5)


def test_the_range_is_over_the_loads_that_both_have() -> None:
    cells = [REFERENCE, cell("m_b", 1, 1, (10, 10, 10.1)), cell("m_b", 8, 1, (1, 1, 1.01))]
    cells += [cell("m_a", 4, 1, (8, 8, 8.1)), cell("m_b", 4, 1, (2, 2, 2.02))]
    (found,) = slow_models(make_report(cells), Criteria())
    assert (found.model, found.reference, found.too_slow) == ("m_b", "m_a", True)
    assert str(found) == "m_b is slow: it takes 2.0 to 4.0 times as long as m_a."


@pytest.mark.parametrize(("limit", "too_slow"), [(1.2, True), (3.0, False), (float("inf"), False)])
def test_from_half_as_long_again_it_is_worth_a_word(limit: float, too_slow: bool) -> None:
    (found,) = slow_models(make_report([REFERENCE, cell("m_b", 1, 1, (10, 10, 10.1))]), Criteria(max_slowdown=limit))
    assert found.too_slow is too_slow
    assert not list(slow_models(make_report([REFERENCE, cell("m_b", 1, 1, (16, 16, 16))]), Criteria()))


def test_what_may_be_chance_is_not_called_slow() -> None:
    scattered = cell("m_b", 1, 1, (1, 20, 30))
    assert not list(slow_models(make_report([REFERENCE, scattered]), Criteria(max_slowdown=1.05)))
