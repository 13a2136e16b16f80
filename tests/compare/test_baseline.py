"""Changes against an older run: found where they are, and not where they are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.compare.reports import MACHINE, cell, make_report, window
from tritonrepo.compare.baseline import caveats, changes
from tritonrepo.compare.cells import Cell, Setting
from tritonrepo.compare.report import Report

NOISE = np.random.default_rng(0).normal(1.0, 0.01, (2, 5))


def rates(mean: float, run: int) -> list[float]:
    return [float(mean * noise) for noise in NOISE[run]]


def test_a_run_against_itself_has_no_change() -> None:
    report = make_report([cell("m_a", rates=rates(10, 0)), cell("m_b", rates=rates(20, 1))])
    found = changes(report, report, limit=0.0)
    assert len(found) == 4
    assert {change.relative.mean for change in found} == {0.0}
    assert {change.verdict for change in found} == {"no change"}


def test_noise_of_one_percent_is_no_regression() -> None:
    old, new = (make_report([cell("m_a", rates=rates(10, run))]) for run in (0, 1))
    assert not any(change.regression for change in changes(old, new, 0.05))


@pytest.mark.parametrize(("factor", "regressed"), [(0.9, True), (0.97, False), (1.1, False)])
def test_a_slowdown_of_ten_percent_is_a_regression(factor: float, regressed: bool) -> None:
    old = make_report([cell("m_a", rates=rates(10, 0)), cell("m_b", rates=rates(30, 1))])
    new = make_report([cell("m_a", rates=rates(10 * factor, 1)), cell("m_b", rates=rates(30, 0))])
    found = changes(old, new, 0.05)
    assert {change.setting.model for change in found if change.regression} == ({"m_a"} if regressed else set())
    (throughput,) = [c for c in found if c.setting.model == "m_a" and c.metric == "images/s"]
    assert throughput.relative.mean == pytest.approx(factor - 1, abs=0.02)


@pytest.mark.parametrize(
    ("factor", "limit", "verdict"),
    [
        (0.9, None, "worse"),
        (0.9, 0.05, "regression"),
        (0.9, 0.2, "worse, tolerated"),
        (1.1, 0.05, "better"),
        (1.0, 0.0, "no change"),
    ],
)
def test_the_verdict_on_throughput_and_on_latency(factor: float, limit: float | None, verdict: str) -> None:
    """The closed loop's latency falls as its throughput grows, so that both get the same verdict."""
    old, new = make_report([cell("m", rates=rates(10, 0))]), make_report([cell("m", rates=rates(10 * factor, 0))])
    assert [(change.metric, change.verdict) for change in changes(old, new, limit)] == [
        ("images/s", verdict),
        ("p95 ms", verdict),
    ]


def test_of_an_open_loop_the_average_latency_is_compared() -> None:
    def report(latency: float) -> Report:
        windows = tuple(window(10, latency * factor) for factor in (1.0, 1.01, 0.99))
        return make_report([Cell(Setting("m", 1, request_rate=10.0), windows)])

    found = changes(report(100.0), report(120.0), 0.05)
    assert [(change.metric, change.verdict) for change in found] == [
        ("average ms", "regression"),
        ("p95 ms", "regression"),
    ]


def test_a_wide_scatter_is_not_taken_for_a_change() -> None:
    old = make_report([cell("m_a", rates=(10, 14, 6, 12, 8))])
    new = make_report([cell("m_a", rates=(9, 13, 5, 11, 7))])
    assert not any(change.significant for change in changes(old, new))


def test_only_cells_of_both_runs_are_compared_and_the_rest_is_said() -> None:
    old = make_report([cell("m_a"), cell("m_a", 8)], machine=replace(MACHINE, cpu="another", gpus=("L4",)))
    new = make_report([cell("m_a"), cell("m_b")], engine="perf_analyzer")
    assert {change.setting.model for change in changes(old, new)} == {"m_a"}
    assert list(caveats(old, new)) == [
        "The baseline has another CPU: another, now EPYC <7>.",
        "The baseline has another GPU: L4, now none.",
        "The baseline has another engine: python, now perf_analyzer.",
        "Only in the baseline: m_a, batch 8, concurrency 1.",
    ]
    assert list(caveats(new, new)) == []
