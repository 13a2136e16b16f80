"""What is measured: cells (a model under a load), and the windows that measured them. Latencies are in milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tritonrepo.compare.intervals import Interval, interval, spread

PERCENTILES = (50, 90, 95, 99)
# perf_analyzer's rule: the last three measurements are within 10% of each other, in throughput and average latency.
STABLE_WINDOWS = 3
STABILITY = 0.10
# Below this share of the wanted rate, an open loop's rate was not sustained.
SUSTAINED = 0.95
# As many quantiles of a window's latencies are kept, so that a report of fast models stays small.
KEPT_LATENCIES = 1000


@dataclass(frozen=True)
class Setting:
    """One cell's load: `concurrency` requests always in flight, or `request_rate` requests a second whatever happens.

    Exactly one of the two is given.
    """

    model: str
    batch_size: int
    concurrency: int | None = None
    request_rate: float | None = None

    @property
    def load(self) -> str:
        if self.request_rate is not None:
            return f"{self.request_rate:g} requests/s"
        return f"concurrency {self.concurrency}"

    @property
    def key(self) -> tuple[str, int, int, float]:
        """By which a cell is found again in another run, and sorted."""
        return self.model, self.batch_size, self.concurrency or 0, self.request_rate or 0.0

    def __str__(self) -> str:
        return f"{self.model}, batch {self.batch_size}, {self.load}"


@dataclass(frozen=True)
class Split:
    """Where the server's time went, by its statistics extension: averages over requests, in ms.

    `executions`: how often the model ran at each batch size, after dynamic batching.
    """

    queue: float
    compute_input: float
    compute_infer: float
    compute_output: float
    executions: Mapping[int, int] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return self.queue + self.compute_input + self.compute_infer + self.compute_output


@dataclass(frozen=True)
class Growth:
    """An open loop's queue: average latency (ms) of the window's first and last quarter, and the rates (requests/s)."""

    first_quarter: float
    last_quarter: float
    offered: float
    achieved: float

    @property
    def sustained(self) -> bool:
        return self.achieved >= SUSTAINED * self.offered


@dataclass(frozen=True)
class Window:
    """One measurement. `requests`: that were answered; `failures`: reason -> how many, in no other figure.

    `latencies`: quantiles of the answered requests', ascending; empty where the engine gives only percentiles.
    `client_cpu`: cores that the load generator used. `server_memory`: MiB.
    """

    seconds: float
    requests: int
    requests_per_second: float
    average: float
    standard_deviation: float
    percentiles: Mapping[int, float]
    failures: Mapping[str, int] = field(default_factory=dict)
    latencies: Sequence[float] = ()
    split: Split | None = None
    growth: Growth | None = None
    client_cpu: float | None = None
    server_memory: float | None = None


def kept(latencies: Sequence[float]) -> tuple[float, ...]:
    """All of a few latencies, or evenly spaced quantiles of many; ascending."""
    ordered = np.sort(np.asarray(latencies, np.float64))
    if len(ordered) > KEPT_LATENCIES:
        ordered = np.quantile(ordered, (np.arange(KEPT_LATENCIES) + 0.5) / KEPT_LATENCIES)
    return tuple(round(float(value), 4) for value in ordered)


@dataclass(frozen=True)
class Cell:
    """A setting, its windows in the order in which they were measured, and what ended them early, if anything did."""

    setting: Setting
    windows: tuple[Window, ...] = ()
    error: str | None = None
    stability: float = STABILITY

    @property
    def measured(self) -> bool:
        return bool(self.windows)

    @property
    def requests(self) -> int:
        return sum(window.requests for window in self.windows)

    @cached_property
    def failures(self) -> Counter[str]:
        return sum((Counter(window.failures) for window in self.windows), Counter[str]())

    @property
    def inferences_per_window(self) -> list[float]:
        """Images a second in each window. (An inference is one image; a request carries `batch_size` of them.)"""
        return [window.requests_per_second * self.setting.batch_size for window in self.windows]

    @cached_property
    def images_per_second(self) -> Interval:
        return interval(self.inferences_per_window)

    @cached_property
    def average(self) -> Interval:
        return interval([window.average for window in self.windows])

    def percentile(self, percent: int) -> Interval:
        """Of all windows' requests together; the limits from the scatter of the windows' own percentiles."""
        each = interval([window.percentiles[percent] for window in self.windows])
        if not all(window.latencies for window in self.windows):
            return each
        pooled = self._pooled(percent)
        return Interval(pooled, pooled - each.half_width, pooled + each.half_width)

    def _pooled(self, percent: int) -> float:
        """By Hazen's plotting positions; each kept quantile stands for its share of the window's requests."""
        values = np.concatenate([window.latencies for window in self.windows])
        weights = np.concatenate(
            [np.full(len(window.latencies), window.requests / len(window.latencies)) for window in self.windows]
        )
        order = np.argsort(values)
        values, weights = values[order], weights[order]
        positions = (np.cumsum(weights) - weights / 2) / weights.sum()
        return float(np.interp(percent / 100, positions, values))

    @property
    def standard_deviation(self) -> float:
        """Of all requests: within the windows and between them."""
        counts = np.array([window.requests for window in self.windows], np.float64)
        means = np.array([window.average for window in self.windows])
        inner = np.array([window.standard_deviation for window in self.windows])
        mean = float(counts @ means / counts.sum())
        return float(np.sqrt(counts @ (inner**2 + (means - mean) ** 2) / counts.sum()))

    @property
    def stable(self) -> bool:
        return is_stable(self.windows, self.stability)

    @property
    def sustained(self) -> bool:
        """Whether an open loop's rate was kept up in most windows; true for a closed loop, which asks for none."""
        grown = [window.growth.sustained for window in self.windows if window.growth]
        return not grown or sum(grown) * 2 > len(grown)

    @property
    def usable(self) -> bool:
        """Whether a decision may rest on it."""
        return self.measured and self.error is None and not self.failures and self.sustained

    @cached_property
    def split(self) -> Split | None:
        splits = [(window.split, window.requests) for window in self.windows if window.split]
        if not splits:
            return None
        weights = [requests for _, requests in splits]
        executions = sum((Counter(split.executions) for split, _ in splits), Counter[int]())
        parts = ("queue", "compute_input", "compute_infer", "compute_output")
        means = {part: float(np.average([getattr(s, part) for s, _ in splits], weights=weights)) for part in parts}
        return Split(**means, executions=dict(sorted(executions.items())))

    @property
    def growth(self) -> Growth | None:
        grown = [window.growth for window in self.windows if window.growth]
        if not grown:
            return None
        fields = ("first_quarter", "last_quarter", "offered", "achieved")
        return Growth(**{name: float(np.mean([getattr(growth, name) for growth in grown])) for name in fields})

    @property
    def client_cpu(self) -> float | None:
        return _mean([window.client_cpu for window in self.windows])

    @property
    def server_memory(self) -> float | None:
        """The largest that was seen."""
        return max((w.server_memory for w in self.windows if w.server_memory is not None), default=None)


def is_stable(windows: Sequence[Window], tolerance: float) -> bool:
    """The last three windows' throughputs are within `tolerance` of each other, and so are their average latencies."""
    last = windows[-STABLE_WINDOWS:]
    if len(last) < STABLE_WINDOWS:
        return False
    figures = ([window.requests_per_second for window in last], [window.average for window in last])
    return all(spread(values) <= tolerance for values in figures)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
