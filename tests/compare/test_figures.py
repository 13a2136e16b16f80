"""The figures of a cell by their names, which other programs rely on."""

from __future__ import annotations

import pytest

from tests.compare.reports import cell, everyday_report
from tritonrepo.compare.figures import FIGURES, summary

# What `compare.json` and `compare.csv` have had since the first release: names may be added, none may go.
# fmt: off
NAMES = [
    "requests", "failures", "stable", "usable", "inferences_per_second", "images_per_second",
    "images_per_second_low", "images_per_second_high", "requests_per_second", "average_ms", "average_ms_low",
    "average_ms_high", "standard_deviation_ms", "p50_ms", "p50_ms_low", "p50_ms_high", "p90_ms", "p90_ms_low",
    "p90_ms_high", "p95_ms", "p95_ms_low", "p95_ms_high", "p99_ms", "p99_ms_low", "p99_ms_high", "queue_ms",
    "compute_input_ms", "compute_infer_ms", "compute_output_ms", "executed_batch_sizes", "sustained",
    "achieved_requests_per_second", "first_quarter_ms", "last_quarter_ms", "client_cpu_cores", "server_memory_mib",
]
# fmt: on


def test_the_names_stay() -> None:
    assert list(summary(cell("m")))[: len(NAMES)] == NAMES
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)


def test_the_figures_of_a_closed_loop() -> None:
    found = summary(cell("m", 4, 2, (10.0, 10.0, 10.0)))
    assert (found["images_per_second"], found["images_per_second_low"]) == (40.0, 40.0)
    assert (found["requests_per_second"], found["inferences_per_second"]) == (10.0, 40.0)
    assert (found["average_ms"], found["p99_ms"]) == (200.0, 200.0)
    assert found["queue_ms"] == pytest.approx(20.0)
    assert found["executed_batch_sizes"] == "1x60"
    assert (found["sustained"], found["achieved_requests_per_second"]) == (True, None)


def test_the_figures_of_an_open_loop() -> None:
    found = summary(everyday_report().cells[3])
    assert (found["sustained"], found["achieved_requests_per_second"]) == (False, 50.0)


def test_without_windows_there_are_no_figures() -> None:
    assert summary(cell("m", rates=(), error="gone")) == {
        "requests": 0,
        "failures": 0,
        "stable": False,
        "usable": False,
    }
