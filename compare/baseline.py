"""A run against an older one: what changed in each cell, and whether by more than chance."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tritonrepo.compare.cells import Cell, Setting
from tritonrepo.compare.intervals import Interval, difference, holm
from tritonrepo.compare.report import Report

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Metric:
    """`sign`: +1 where more is better, -1 where less is."""

    name: str
    sign: int
    values: Callable[[Cell], Sequence[float]]


THROUGHPUT = Metric("images/s", +1, lambda cell: cell.inferences_per_window)
AVERAGE = Metric("average ms", -1, lambda cell: [window.average for window in cell.windows])
TAIL = Metric("p95 ms", -1, lambda cell: [window.percentiles[95] for window in cell.windows])


@dataclass(frozen=True)
class Change:
    """One metric of one cell: means of the windows before and after, and the relative change, 0.1 being +10%.

    `p_value`: the probability of so large a change by chance, by Welch's test over the windows, adjusted by Holm's
    method for the number of changes that are looked at.
    """

    setting: Setting
    metric: str
    before: float
    after: float
    relative: Interval
    p_value: float
    better: bool

    @property
    def significant(self) -> bool:
        return self.p_value < SIGNIFICANCE

    def is_regression(self, threshold: float) -> bool:
        """Significantly worse, and by more than `threshold` (0.05: 5%)."""
        return self.significant and not self.better and abs(self.relative.mean) > threshold


def changes(old: Report, new: Report) -> list[Change]:
    """Of the cells that both runs measured. A closed loop's throughput, an open one's average latency, and both p95."""
    before = {cell.setting.key: cell for cell in old.cells if cell.measured}
    pairs = [(before[cell.setting.key], cell) for cell in new.cells if cell.measured and cell.setting.key in before]
    raw = [_change(was, now, metric) for was, now in pairs for metric in _metrics(now.setting)]
    adjusted = holm([change.p_value for change in raw])
    return [
        Change(c.setting, c.metric, c.before, c.after, c.relative, p_value, c.better)
        for c, p_value in zip(raw, adjusted, strict=True)
    ]


def _metrics(setting: Setting) -> tuple[Metric, Metric]:
    return (THROUGHPUT if setting.request_rate is None else AVERAGE), TAIL


def _change(was: Cell, now: Cell, metric: Metric) -> Change:
    first, second = metric.values(was), metric.values(now)
    before, after = (sum(values) / len(values) for values in (first, second))
    found = difference(first, second)
    absolute = found.interval
    relative = Interval(absolute.mean / before, absolute.low / before, absolute.high / before)
    better = metric.sign * absolute.mean >= 0
    return Change(now.setting, metric.name, before, after, relative, found.p_value, better)


def caveats(old: Report, new: Report) -> list[str]:
    """What else differs between the two runs, and cells that only the old one has."""
    found = []
    for what, was, now in (
        ("CPU", old.machine["cpu"], new.machine["cpu"]),
        ("number of threads", old.machine["threads"], new.machine["threads"]),
        ("GPU", old.machine["gpus"], new.machine["gpus"]),
        ("server version", old.server.get("version"), new.server.get("version")),
        ("engine", old.engine, new.engine),
        ("protocol", old.conditions.get("protocol"), new.conditions.get("protocol")),
    ):
        if json.dumps(was) != json.dumps(now):
            found.append(f"The baseline has another {what}: {was}, now {now}.")
    measured = {cell.setting.key for cell in new.cells if cell.measured}
    missing = [str(cell.setting) for cell in old.cells if cell.measured and cell.setting.key not in measured]
    if missing:
        found.append(f"Only in the baseline: {'; '.join(missing)}.")
    return found
