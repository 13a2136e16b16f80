"""Which configuration is recommended, and what is said to be wrong."""

from __future__ import annotations

import math

import pytest

from tests.compare.reports import cell, make_agreement, make_report, window
from tritonrepo.compare.cells import Cell, Growth, Setting
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.decision import best, cost_per_thousand, equals, pareto, problems, sentences, slowdown

SLOW = cell("m_a", 1, 1, (10, 10, 10))  # 10 images/s, 100 ms
QUICK = cell("m_b", 1, 1, (20, 20, 20.1))  # 20 images/s, 50 ms
LARGE = cell("m_b", 8, 1, (5, 5, 5.01))  # 40 images/s, 200 ms
WORSE = cell("m_a", 8, 1, (4, 4, 4.01))  # 32 images/s, 250 ms
CELLS = [SLOW, QUICK, WORSE, LARGE]


def test_the_highest_throughput_within_the_budget() -> None:
    assert best(CELLS) == LARGE
    assert best(CELLS, 150) == QUICK
    assert best(CELLS, 10) is None


def test_what_failed_is_not_recommended() -> None:
    failing = cell("m_b", 8, 1, (50, 50, 50), failures={"x": 1})
    lost = cell("m_b", 8, 2, (60, 60, 60), error="gone")
    assert best([*CELLS, failing, lost]) == LARGE
    assert best([failing, lost]) is None


def test_an_unstable_cell_is_recommended_only_for_want_of_a_stable_one() -> None:
    unstable = cell("m_c", 1, 1, (50, 100, 70))
    assert best([SLOW, unstable]) == SLOW
    assert best([unstable]) == unstable
    assert "though its windows were not stable" in sentences(make_report([unstable]), Criteria())[0]


def test_the_pareto_front_has_what_no_other_beats_in_both() -> None:
    assert pareto(CELLS) == [QUICK, LARGE]


def test_equals_are_those_whose_intervals_overlap() -> None:
    near = cell("m_c", 8, 1, (4.9, 5.0, 5.1))
    assert equals(LARGE, [*CELLS, near]) == [near]


def test_of_equals_the_quickest_to_answer_is_named() -> None:
    near = cell("m_c", 8, 1, (4.9, 5.0, 5.1), latency=150.0)
    nearer = cell("m_d", 4, 1, (9.9, 10.0, 10.1), latency=90.0)
    said = sentences(make_report([*CELLS, near]), Criteria())
    assert said[0].startswith("Take m_b with batch size 8")
    assert said[1] == (
        "The throughput of m_c, batch 8, concurrency 1 is not distinguishable from it in this run, and it answers "
        "sooner: 40.0 images/s, p95 150.0 ms."
    )
    said = sentences(make_report([*CELLS, near, nearer]), Criteria())
    assert said[1] == (
        "The throughput of 2 other configurations is not distinguishable from it in this run; the quickest to answer "
        "of them is m_d, batch 4, concurrency 1: 40.0 images/s, p95 90.0 ms."
    )
    later = cell("m_c", 8, 1, (4.9, 5.0, 5.1), latency=250.0)
    assert sentences(make_report([*CELLS, later]), Criteria())[1].endswith("and it is the quickest to answer of them.")


def test_the_cost_of_a_thousand_images() -> None:
    assert cost_per_thousand(SLOW, 3.6) == pytest.approx(0.1)


def test_the_sentence_in_plain_words() -> None:
    said = " ".join(sentences(make_report(CELLS, agreements=(make_agreement(),)), Criteria(150, price=7.2)))
    assert said.startswith(
        "Within 150 ms at the 95th percentile, take m_b with batch size 1 at concurrency 1: 20.0 images/s"
    )
    assert "0.0998 per 1,000 images at 7.2 an hour" in said
    assert "m_a reaches 10.0 images/s at best (batch size 1, concurrency 1), 50% less." in said
    assert "m_a is slow" not in said
    assert "The models agree" in said


def test_nothing_within_the_budget() -> None:
    said = sentences(make_report(CELLS), Criteria(10))
    assert said == [
        "No configuration keeps the 95th percentile within 10 ms; the quickest is m_b, batch 1, concurrency 1 with "
        "50.0 ms."
    ]


def test_a_clean_run_has_no_problem() -> None:
    assert problems(make_report(CELLS, agreements=(make_agreement(),)), Criteria(150)) == []


def test_a_slow_model_is_named() -> None:
    report = make_report([QUICK, cell("m_slow", 1, 1, (4, 4, 4.01))])
    assert slowdown(report.cells[1], report.cells[0]) == pytest.approx(5.0, rel=0.01)
    slow = "m_slow is slow: it takes 5.0 times as long as m_b."
    assert problems(report, Criteria()) == [slow]
    assert slow not in sentences(report, Criteria())
    assert problems(report, Criteria(max_slowdown=6)) == []
    assert slow in sentences(report, Criteria(max_slowdown=6))
    assert problems(report, Criteria(100, max_slowdown=6)) == ["m_slow keeps no configuration within 100 ms"]


def test_a_wrong_model_is_named() -> None:
    report = make_report(CELLS, agreements=(make_agreement(shift=1.2, top1=0.5),))
    (problem,) = problems(report, Criteria())
    assert problem.startswith("m_b disagrees with m_a: a logit differs by 1.2 of the spread")
    assert "do not take it for its speed" in " ".join(sentences(report, Criteria()))
    assert problems(report, Criteria(tolerance=2)) == []
    nan = make_report(CELLS, agreements=(make_agreement(shift=math.nan),))
    assert problems(nan, Criteria()) == ["m_b answers with NaN or infinity"]


def test_what_was_lost_and_what_failed_is_named() -> None:
    cells = [SLOW, cell("m_b", error="gone while it was measured: unloaded"), cell("m_c", failures={"timeout": 2})]
    found = problems(make_report(cells, lost={"m_d": "not ready (no such file)"}), Criteria())
    assert found == [
        "m_d was not measured: not ready (no such file)",
        "m_b, batch 1, concurrency 1: gone while it was measured: unloaded",
        "m_c, batch 1, concurrency 1: 10 requests failed (timeout)",
    ]


def test_a_rate_that_was_not_sustained_is_a_problem() -> None:
    growth = Growth(first_quarter=30, last_quarter=900, offered=100, achieved=50)
    windows = tuple(window(50, 450, growth=growth) for _ in range(3))
    open_cell = Cell(Setting("m_a", 1, request_rate=100.0), windows)
    (problem,) = problems(make_report([open_cell]), Criteria())
    assert problem == (
        "m_a, batch 1, 100 requests/s: the rate was not sustained, 50.0 of 100.0 requests/s were answered, "
        "and the latency grew from 30 to 900 ms in a window"
    )
    assert best([open_cell]) is None


def test_a_model_that_lost_many_cells_has_one_sentence() -> None:
    cells = [SLOW, *(cell("m_b", size, 1, (), error="gone while it was measured: unloaded") for size in (1, 2, 4))]
    assert problems(make_report(cells), Criteria()) == ["m_b, 3 cells: gone while it was measured: unloaded"]


def test_an_interrupted_run_says_so() -> None:
    said = sentences(make_report(CELLS, interrupted=True), Criteria())
    assert said[-1] == "The run was interrupted before all its windows were measured."


def test_one_window_has_no_interval_and_tells_nothing_apart() -> None:
    report = make_report([cell("m_a", rates=(20,)), cell("m_b", rates=(5,))])
    said = " ".join(sentences(report, Criteria()))
    assert "20.0 images/s, p95" in said
    assert "nan" not in said
    assert "is slow" not in said
