"""What is said to be wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tests.compare.reports import cell, make_agreement, make_report, window
from tests.compare.test_choice import CELLS, QUICK, SLOW
from tritonrepo.compare.cells import Cell, Growth, Setting
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.judgement import judge


def problems(cells: Sequence[Cell], criteria: Criteria | None = None, **changes: Any) -> list[str]:
    return list(judge(make_report(cells, **changes), criteria).problems)


def test_a_clean_run_has_no_problem() -> None:
    assert problems(CELLS, Criteria(150), agreements=(make_agreement(),)) == []


def test_a_slow_model_is_named() -> None:
    cells = [QUICK, cell("m_slow", 1, 1, (4, 4, 4.01))]
    assert problems(cells) == ["m_slow is slow: it takes 5.0 times as long as m_b."]
    assert problems(cells, Criteria(max_slowdown=6)) == []


def test_a_model_that_misses_the_budget_is_named() -> None:
    assert problems(CELLS, Criteria(60)) == ["m_a keeps no configuration within 60 ms"]
    disagreeing = (make_agreement(shift=1.2),)
    assert problems(CELLS, Criteria(150), agreements=disagreeing)[1:] == []
    assert problems(CELLS, Criteria(20), agreements=disagreeing)[1:] == [
        "m_a keeps no configuration within 20 ms",
        "m_b keeps no configuration within 20 ms",
    ]


def test_a_wrong_model_is_named() -> None:
    wrong = (make_agreement(shift=1.2, top1=0.5),)
    (problem,) = problems(CELLS, agreements=wrong)
    assert problem.startswith("m_b disagrees with m_a: a logit differs by 1.2 of the spread")
    assert problems(CELLS, Criteria(tolerance=2), agreements=wrong) == []
    assert problems(CELLS, agreements=(make_agreement(shift=math.nan),)) == ["m_b answers with NaN or infinity"]


def test_what_was_lost_and_what_failed_is_named() -> None:
    cells = [SLOW, cell("m_b", error="gone while it was measured: unloaded"), cell("m_c", failures={"timeout": 2})]
    assert problems(cells, lost={"m_d": "not ready (no such file)"}) == [
        "m_d was not measured: not ready (no such file)",
        "m_b, batch 1, concurrency 1: gone while it was measured: unloaded",
        "m_c, batch 1, concurrency 1: 10 requests failed (timeout)",
    ]


def test_a_model_that_lost_many_cells_has_one_sentence() -> None:
    cells = [SLOW, *(cell("m_b", size, 1, (), error="gone while it was measured: unloaded") for size in (1, 2, 4))]
    assert problems(cells) == ["m_b, 3 cells: gone while it was measured: unloaded"]


def test_a_rate_that_was_not_sustained_is_a_problem() -> None:
    growth = Growth(first_quarter=30, last_quarter=900, offered=100, achieved=50)
    windows = tuple(window(50, 450, growth=growth) for _ in range(3))
    (problem,) = problems([Cell(Setting("m_a", 1, request_rate=100.0), windows)])
    assert problem == (
        "m_a, batch 1, 100 requests/s: the rate was not sustained, 50.0 of 100.0 requests/s were answered, "
        "and the latency grew from 30 to 900 ms in a window"
    )
