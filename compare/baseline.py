"""A run against an older one: what changed in each cell, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tritonrepo.compare.cells import Cell, Setting
from tritonrepo.compare.intervals import Interval, difference, holm
from tritonrepo.compare.report import Report

SIGNIFICANCE = 0.05

Verdict: TypeAlias = Literal["no change", "better", "worse", "worse, tolerated", "regression"]
"""`worse` where no limit is set; with one, a change for the worse is either tolerated or a regression."""


@dataclass(frozen=True)
class Metric:
    """What is compared of a cell.

    Attributes:
        name: With its unit.
        sign: +1 where more is better, -1 where less is.
        values: Its value in each window.
    """

    name: str
    sign: int
    values: Callable[[Cell], Sequence[float]]


THROUGHPUT = Metric("images/s", +1, lambda cell: cell.inferences_per_window)
AVERAGE = Metric("average ms", -1, lambda cell: [window.average for window in cell.windows])
TAIL = Metric("p95 ms", -1, lambda cell: [window.percentiles[95] for window in cell.windows])


@dataclass(frozen=True)
class Change:
    """One metric of one cell, then and now.

    Attributes:
        setting: The cell's.
        metric: Its name with the unit.
        before: The mean of the baseline's windows.
        after: The mean of this run's windows.
        relative: The relative change, 0.1 being +10%, with its limits.
        p_value: The probability of so large a change by chance, by Welch's test over the windows, adjusted by Holm's
            method for the number of changes that are looked at.
        verdict: What to think of it.
    """

    setting: Setting
    metric: str
    before: float
    after: float
    relative: Interval
    p_value: float
    verdict: Verdict

    @property
    def significant(self) -> bool:
        """Whether it is more than chance."""
        return self.verdict != "no change"

    @property
    def regression(self) -> bool:
        """Whether it is worse by more than the limit, and by more than chance."""
        return self.verdict == "regression"


def changes(old: Report, new: Report, limit: float | None = None) -> list[Change]:
    """The changes of the cells that both runs measured.

    Args:
        old: The baseline.
        new: The run that is judged.
        limit: How much worse a figure may be, 0.05 for 5%; None: no change is called a regression.

    Returns:
        Of each cell, the throughput (of an open loop the average latency) and the 95th percentile.
    """
    pairs = [
        (was, now, metric)
        for was, now in _common(old, new)
        for metric in (THROUGHPUT if now.setting.request_rate is None else AVERAGE, TAIL)
    ]
    found = [difference(metric.values(was), metric.values(now)) for was, now, metric in pairs]
    adjusted = holm([one.p_value for one in found])
    return [
        _change(was, now, metric, one.interval, p_value, limit)
        for (was, now, metric), one, p_value in zip(pairs, found, adjusted, strict=True)
    ]


def _common(old: Report, new: Report) -> Iterator[tuple[Cell, Cell]]:
    before = {cell.setting.key: cell for cell in old.cells if cell.measured}
    return ((before[c.setting.key], c) for c in new.cells if c.measured and c.setting.key in before)


def _change(was: Cell, now: Cell, metric: Metric, absolute: Interval, p_value: float, limit: float | None) -> Change:
    before, after = (sum(values) / len(values) for values in (metric.values(was), metric.values(now)))
    relative = Interval(absolute.mean / before, absolute.low / before, absolute.high / before)
    gain = metric.sign * relative.mean
    return Change(now.setting, metric.name, before, after, relative, p_value, _verdict(gain, p_value, limit))


def _verdict(gain: float, p_value: float, limit: float | None) -> Verdict:
    """`gain`: the relative change, positive where it is for the better."""
    if not p_value < SIGNIFICANCE:
        return "no change"
    if gain >= 0:
        return "better"
    if limit is None:
        return "worse"
    return "regression" if -gain > limit else "worse, tolerated"


def caveats(old: Report, new: Report) -> Iterator[str]:
    """What else differs between the two runs, and cells that only the old one has."""
    for what, was, now in (
        ("CPU", old.machine.cpu, new.machine.cpu),
        ("number of threads", old.machine.threads, new.machine.threads),
        ("GPU", "; ".join(old.machine.gpus) or "none", "; ".join(new.machine.gpus) or "none"),
        ("server version", old.server.version, new.server.version),
        ("engine", old.engine, new.engine),
        ("protocol", old.conditions.protocol, new.conditions.protocol),
    ):
        if was != now:
            yield f"The baseline has another {what}: {was}, now {now}."
    measured = {cell.setting.key for cell in new.cells if cell.measured}
    missing = [str(cell.setting) for cell in old.cells if cell.measured and cell.setting.key not in measured]
    if missing:
        yield f"Only in the baseline: {'; '.join(missing)}."
