"""How a final's time is divided into windows."""

from __future__ import annotations

import pytest

from tritonrepo.compare.tuning.rounds import divide, seconds_of_window, shortest


@pytest.mark.parametrize(
    ("seconds", "latencies", "window", "windows"),
    [
        (120.0, [0.01, 0.01], 4.0, 13),
        (40.0, [0.01, 0.01], 2.0, 8),
        (8.0, [0.01, 0.01], 0.25, 13),
        (20.0, [0.5, 0.01], 0.25, 7),
        (1.0, [0.5, 0.01], 0.25, 3),
    ],
)
def test_windows_fill_the_time(seconds: float, latencies: list[float], window: float, windows: int) -> None:
    assert divide(seconds, latencies) == (window, windows)


def test_a_window_holds_at_least_two_latencies_and_waits_for_two() -> None:
    assert seconds_of_window(1.0, 0.01) == pytest.approx(1.02)
    assert seconds_of_window(1.0, 1.0) == pytest.approx(4.0)


def test_the_shortest_run_is_bounded_by_the_latency() -> None:
    assert shortest(0.001) == pytest.approx(4 * 0.0625 + 3 * 0.252)
    assert shortest(0.5) == pytest.approx(4 * 0.5 + 3 * 2.0)
