"""Changes against an older run: found where they are, and not where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.compare.reports import MACHINE, cell, make_report
from tritonrepo.compare.baseline import caveats, changes

NOISE = np.random.default_rng(0).normal(1.0, 0.01, (2, 5))


def rates(mean: float, run: int) -> list[float]:
    return [float(mean * noise) for noise in NOISE[run]]


def test_a_run_against_itself_has_no_change() -> None:
    report = make_report([cell("m_a", rates=rates(10, 0)), cell("m_b", rates=rates(20, 1))])
    found = changes(report, report)
    assert len(found) == 4
    assert {change.relative.mean for change in found} == {0.0}
    assert not any(change.significant or change.is_regression(0.0) for change in found)


def test_noise_of_one_percent_is_no_regression() -> None:
    old, new = (make_report([cell("m_a", rates=rates(10, run))]) for run in (0, 1))
    assert not any(change.is_regression(0.05) for change in changes(old, new))


@pytest.mark.parametrize(("factor", "regressed"), [(0.9, True), (0.97, False), (1.1, False)])
def test_a_slowdown_of_ten_percent_is_a_regression(factor: float, regressed: bool) -> None:
    old = make_report([cell("m_a", rates=rates(10, 0)), cell("m_b", rates=rates(30, 1))])
    new = make_report([cell("m_a", rates=rates(10 * factor, 1)), cell("m_b", rates=rates(30, 0))])
    found = changes(old, new)
    assert {change.setting.model for change in found if change.is_regression(0.05)} == ({"m_a"} if regressed else set())
    (throughput,) = [c for c in found if c.setting.model == "m_a" and c.metric == "images/s"]
    assert throughput.relative.mean == pytest.approx(factor - 1, abs=0.02)
    assert throughput.better is (factor > 1)


def test_a_wide_scatter_is_not_taken_for_a_change() -> None:
    old = make_report([cell("m_a", rates=(10, 14, 6, 12, 8))])
    new = make_report([cell("m_a", rates=(9, 13, 5, 11, 7))])
    assert not any(change.significant for change in changes(old, new))


def test_only_cells_of_both_runs_are_compared_and_the_rest_is_said() -> None:
    old = make_report([cell("m_a"), cell("m_a", 8)], machine={**MACHINE, "cpu": "another"})
    new = make_report([cell("m_a"), cell("m_b")], engine="perf_analyzer")
    assert {change.setting.model for change in changes(old, new)} == {"m_a"}
    assert caveats(old, new) == [
        "The baseline has another CPU: another, now EPYC <7>.",
        "The baseline has another engine: python, now perf_analyzer.",
        "Only in the baseline: m_a, batch 8, concurrency 1.",
    ]
    assert caveats(new, new) == []
