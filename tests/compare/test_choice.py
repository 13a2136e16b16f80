"""Which configuration is chosen, and that every part of the choice obeys the same criteria."""

from __future__ import annotations

import pytest

from tests.compare.reports import cell, make_agreement, make_report, window
from tritonrepo.compare.cells import Cell, Growth, Setting
from tritonrepo.compare.choice import Choice, choose
from tritonrepo.compare.criteria import Criteria

SLOW = cell("m_a", 1, 1, (10, 10, 10))  # 10 images/s, 100 ms
QUICK = cell("m_b", 1, 1, (20, 20, 20.1))  # 20 images/s, 50 ms
LARGE = cell("m_b", 8, 1, (5, 5, 5.01))  # 40 images/s, 200 ms
WORSE = cell("m_a", 8, 1, (4, 4, 4.01))  # 32 images/s, 250 ms
CELLS = (SLOW, QUICK, WORSE, LARGE)


def choice(*cells: Cell, budget: float | None = None) -> Choice:
    return choose(make_report(cells), Criteria(budget))


def test_the_highest_throughput_within_the_budget() -> None:
    assert choice(*CELLS).best == LARGE
    assert choice(*CELLS, budget=150).best == QUICK
    assert choice(*CELLS, budget=10).best is None


def test_what_failed_is_not_chosen() -> None:
    failing = cell("m_b", 8, 1, (50, 50, 50), failures={"x": 1})
    lost = cell("m_b", 8, 2, (60, 60, 60), error="gone")
    assert choice(*CELLS, failing, lost).best == LARGE
    assert choice(failing, lost).best is None


def test_a_rate_that_was_not_sustained_is_not_chosen() -> None:
    growth = Growth(first_quarter=30, last_quarter=900, offered=100, achieved=50)
    overrun = Cell(Setting("m_a", 1, request_rate=100.0), tuple(window(50, 450, growth=growth) for _ in range(3)))
    assert choice(overrun).best is None


def test_an_unstable_cell_is_chosen_only_for_want_of_a_stable_one() -> None:
    unstable = cell("m_c", 1, 1, (50, 100, 70))
    assert choice(SLOW, unstable).best == SLOW
    assert choice(unstable).best == unstable


def test_the_pareto_front_has_what_no_other_beats_in_both() -> None:
    assert choice(*CELLS).front == (QUICK, LARGE)


def test_ties_are_those_whose_intervals_overlap_and_the_quickest_of_them_is_known() -> None:
    near = cell("m_c", 8, 1, (4.9, 5.0, 5.1))
    sooner = cell("m_d", 4, 1, (9.9, 10.0, 10.1))
    found = choice(*CELLS, near, sooner)
    assert found.ties == (near, sooner)
    assert found.quickest == sooner
    assert choice(*CELLS).quickest == LARGE


@pytest.mark.parametrize("budget", [None, 300, 220, 150, 60, 10])
def test_everything_obeys_the_budget(budget: float | None) -> None:
    near = cell("m_c", 8, 1, (4.9, 5.0, 5.1), latency=210.0)
    found = choice(*CELLS, near, budget=budget)
    chosen = [*found.candidates, *found.ties, *found.front, *found.best_of.values()]
    chosen += [one for one in (found.best, found.quickest) if one]
    assert all(one.percentile(95).mean <= (budget or float("inf")) for one in chosen)
    assert {*map(id, found.candidates), *map(id, found.over_budget)} == set(map(id, (*CELLS, near)))
    assert set(found.late) == {"m_a", "m_b", "m_c"} - {one.setting.model for one in found.candidates}
    assert found.best is None or found.best in found.front


def test_a_model_that_disagrees_is_no_candidate_for_anything() -> None:
    report = make_report(CELLS, agreements=(make_agreement("m_b", shift=1.2),))
    found = choose(report, Criteria())
    assert found.best == WORSE
    assert found.front == (SLOW, WORSE)
    assert found.best_of == {"m_a": WORSE}
    assert found.disagreeing == (QUICK, LARGE)
    assert choose(report, Criteria(tolerance=2)).best == LARGE


def test_each_models_best() -> None:
    assert choice(*CELLS).best_of == {"m_a": WORSE, "m_b": LARGE}
    assert choice(*CELLS, budget=150).best_of == {"m_a": SLOW, "m_b": QUICK}
    assert choice(*CELLS, budget=60).best_of == {"m_b": QUICK}
