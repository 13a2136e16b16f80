"""A run held against criteria and a baseline, as a whole."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from tests.compare.reports import MACHINE, cell, make_agreement, make_report
from tests.compare.test_choice import CELLS, LARGE, QUICK
from tritonrepo.client.errors import ModelUnavailableError, UsageError
from tritonrepo.compare import Criteria, judge


def test_every_cell_is_judged_in_the_reports_order() -> None:
    found = judge(make_report(CELLS), Criteria(price=3.6))
    assert [one.cell for one in found.cells] == list(CELLS)
    assert [one.merits for one in found.cells] == [(), ("Pareto",), (), ("best", "Pareto")]
    assert [one.cost for one in found.cells] == pytest.approx([0.1, 0.05, 1 / 32, 0.025], rel=0.01)
    assert found.passed


def test_the_marks_obey_the_budget_as_the_sentences_do() -> None:
    found = judge(make_report(CELLS), Criteria(150))
    assert [one.merits for one in found.cells] == [(), ("best", "Pareto"), (), ()]
    assert [one.complaints for one in found.cells] == [(), (), ("too late",), ("too late",)]
    assert found.choice.best == QUICK
    assert f"take {QUICK.setting.model} with batch size {QUICK.setting.batch_size}" in found.sentences[0]


def test_what_disagrees_is_marked() -> None:
    found = judge(make_report(CELLS, agreements=(make_agreement(shift=1.2),)))
    assert [one.complaints for one in found.cells] == [(), ("disagrees",), (), ("disagrees",)]
    assert found.disagreeing == {"m_b"}
    assert not found.passed


def test_what_failed_is_marked_and_has_no_cost_without_figures() -> None:
    lost = cell("m_a", 2, 1, (), error="gone")
    half = cell("m_a", 4, 1, (5, 5, 5), error="gone")
    failed = cell("m_b", 4, 1, (5, 5, 9), failures={"x": 400})
    found = judge(make_report([LARGE, lost, half, failed]), Criteria(price=1))
    assert [one.complaints for one in found.cells[1:]] == [("not measured",), ("lost",), ("1,200 failed", "unstable")]
    assert [one.cost is None for one in found.cells] == [False, True, False, False]


def test_a_regression_fails_a_run_that_has_no_problem() -> None:
    old = make_report([cell("m_a", rates=(10, 10.1, 9.9, 10, 10))], machine=replace(MACHINE, cpu="another"))
    new = make_report([cell("m_a", rates=(8, 8.1, 7.9, 8, 8))])
    found = judge(new, Criteria(max_regression=0.05), old)
    assert found.problems == ()
    assert [change.metric for change in found.regressions] == ["images/s", "p95 ms"]
    assert found.caveats == ("The baseline has another CPU: another, now EPYC <7>.",)
    assert not found.passed
    assert judge(new, Criteria(max_regression=0.5), old).passed
    assert judge(new, Criteria(), old).passed


def test_a_limit_for_regressions_needs_a_baseline() -> None:
    with pytest.raises(UsageError, match="needs a baseline"):
        judge(make_report(CELLS), Criteria(max_regression=0.05))


def test_a_run_without_a_figure_cannot_be_judged() -> None:
    report = make_report([cell("m_a", 1, 1, (), error="gone")], lost={"m_b": "not ready"})
    with pytest.raises(ModelUnavailableError) as error:
        judge(report)
    assert str(error.value) == "no model can be measured. m_b: not ready. m_a, batch 1, concurrency 1: gone."


def test_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        judge(make_report(CELLS)).problems = ("x",)  # type: ignore[misc]
