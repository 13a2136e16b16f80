"""How long the windows of a run are, and how many there are, so that it fills the time that it has."""

from __future__ import annotations

from collections.abc import Sequence

from tritonrepo.compare.plan import STABLE_WINDOWS
from tritonrepo.compare.rounds import LATENCIES_PER_WINDOW, WINDOW_TO_WARM_UP

WINDOWS_SECONDS = (4.0, 2.0, 1.0, 0.5, 0.25)
ENOUGH_WINDOWS = 8
"""Rather so many short windows than fewer long ones: an interval is as good as their number lets it be."""
AROUND_WINDOW = 2
"""Latencies that pass before a window, until every request in flight is one of its own, and after it."""


def divide(seconds: float, latencies: Sequence[float]) -> tuple[float, int]:
    """The longest windows of which there are enough, or the shortest ones; at least as many as a stable cell needs.

    Args:
        seconds: For the warm-up and the windows of all.
        latencies: Of each that is measured, in seconds, under the load.

    Returns:
        Seconds of a window, and how many each gets.
    """
    found = [(window, _count(seconds, latencies, window)) for window in WINDOWS_SECONDS]
    window, count = next((one for one in found if one[1] >= ENOUGH_WINDOWS), found[-1])
    return window, max(count, STABLE_WINDOWS)


def _count(seconds: float, latencies: Sequence[float], window: float) -> int:
    warm_up = sum(_seconds_of_warm_up(window, latency) for latency in latencies)
    return int((seconds - warm_up) / sum(seconds_of_window(window, latency) for latency in latencies))


def shortest(latency: float) -> float:
    """The seconds that the fewest and shortest windows take, the warm-up included, at a latency in seconds."""
    window = WINDOWS_SECONDS[-1]
    return _seconds_of_warm_up(window, latency) + STABLE_WINDOWS * seconds_of_window(window, latency)


def _seconds_of_warm_up(window: float, latency: float) -> float:
    """Until the first requests are over, and for three windows."""
    return (1 + STABLE_WINDOWS) * max(window / WINDOW_TO_WARM_UP, latency)


def seconds_of_window(window: float, latency: float) -> float:
    """What a window takes with all around it, at a latency in seconds."""
    return max(window, LATENCIES_PER_WINDOW * latency) + AROUND_WINDOW * latency
