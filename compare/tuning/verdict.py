"""Whether one configuration is to take the place of another, from windows that were measured beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from tritonrepo.compare.cells import Cell
from tritonrepo.compare.choice import tail
from tritonrepo.compare.intervals import Interval, difference
from tritonrepo.compare.plan import STABLE_WINDOWS


@dataclass(frozen=True)
class Verdict:
    """What the final says.

    Attributes:
        better: Whether the challenger is better by more than chance.
        reason: In a sentence.
        gain: The relative change of the throughput, 0.1 being 10% more, with its limits; None: too few windows.
    """

    better: bool
    reason: str
    gain: Interval | None = None


def hold(before: Cell, after: Cell, p95_limit: float | None) -> Verdict:
    """Hold a challenger against what is there: Welch's test over the windows, as `compare` holds a run against another.

    The throughput has to be higher by more than chance. A latency limit comes first: whatever breaks it is no better,
    and where what is there breaks it, keeping it is enough, if the latency is lower by more than chance.

    Args:
        before: What is there.
        after: The challenger, in the same rounds.
        p95_limit: ms; None: any latency.
    """
    if not (before.usable and after.usable) or len(after.windows) < STABLE_WINDOWS:
        return Verdict(False, f"the final has fewer than {STABLE_WINDOWS} whole rounds: give a longer budget")
    change = difference(before.inferences_per_window, after.inferences_per_window).interval
    base = before.images_per_second.mean
    gain = Interval(change.mean / base, change.low / base, change.high / base)
    if p95_limit is not None and tail(after) > p95_limit:
        return Verdict(False, f"it does not keep {p95_limit:g} ms: its p95 is {tail(after):,.1f} ms", gain)
    if p95_limit is not None and tail(before) > p95_limit:
        return _keeps_the_limit(before, after, p95_limit, gain)
    better = gain.low > 0
    what = f"{gain.mean:+.1%} images/s (95% interval {gain.low:+.1%} to {gain.high:+.1%})"
    return Verdict(better, what if better else f"{what}, which may be chance", gain)


def _keeps_the_limit(before: Cell, after: Cell, limit: float, gain: Interval) -> Verdict:
    change = difference(_tails(before), _tails(after)).interval
    what = f"its p95 is {tail(after):,.1f} ms, within {limit:g}, and was {tail(before):,.1f}"
    return Verdict(change.high < 0, what if change.high < 0 else f"{what}, which may be chance", gain)


def _tails(cell: Cell) -> list[float]:
    return [window.percentiles[95] for window in cell.windows]
