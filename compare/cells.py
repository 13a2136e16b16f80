"""What is measured: cells (a model under a load), and the windows that measured them. Latencies are in milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tritonrepo.compare.intervals import Interval, interval, spread
from tritonrepo.compare.plan import STABILITY, STABLE_WINDOWS

PERCENTILES = (50, 90, 95, 99)
SUSTAINED = 0.95
"""Below this share of the wanted rate, an open loop's rate was not sustained."""
KEPT_LATENCIES = 1000
"""As many quantiles of a window's latencies are kept, so that a report of fast models stays small."""


@dataclass(frozen=True)
class Setting:
    """One cell's model and load. Exactly one of `concurrency` and `request_rate` is given.

    Attributes:
        model: Its name.
        batch_size: Images in a request.
        concurrency: Requests that are always in flight.
        request_rate: Requests a second, whatever happens.
    """

    model: str
    batch_size: int
    concurrency: int | None = None
    request_rate: float | None = None

    @property
    def load(self) -> str:
        """The load in words."""
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

    Attributes:
        queue: Waiting.
        compute_input: Making the model's input ready.
        compute_infer: Running the model.
        compute_output: Making the answer ready.
        executions: How often the model ran at each batch size, after dynamic batching.
    """

    queue: float
    compute_input: float
    compute_infer: float
    compute_output: float
    executions: Mapping[int, int] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """All of it."""
        return self.queue + self.compute_input + self.compute_infer + self.compute_output


@dataclass(frozen=True)
class Growth:
    """How an open loop's queue grew in a window.

    Attributes:
        first_quarter: Average latency of the first quarter of the requests, in ms.
        last_quarter: Of the last quarter, in ms.
        offered: Requests a second that were sent.
        achieved: Requests a second that were answered.
    """

    first_quarter: float
    last_quarter: float
    offered: float
    achieved: float

    @property
    def sustained(self) -> bool:
        """Whether the server kept up with the rate."""
        return self.achieved >= SUSTAINED * self.offered


@dataclass(frozen=True)
class Window:
    """One measurement.

    Attributes:
        seconds: How long it took.
        requests: That were answered.
        requests_per_second: That were answered.
        average: Latency in ms.
        standard_deviation: Of the latencies, in ms.
        percentiles: Of the latencies, in ms, by percent.
        failures: Reason -> how many requests; they are in no other figure.
        latencies: Quantiles of the answered requests', ascending, in ms; empty where the engine gives only percentiles.
        split: The server's own account.
        growth: Of an open loop.
        client_cpu: Cores that the load generator used.
        server_memory: MiB.
    """

    seconds: float
    requests: int
    requests_per_second: float
    average: float
    standard_deviation: float
    percentiles: Mapping[int, float]
    failures: Mapping[str, int] = field(default_factory=dict)
    latencies: tuple[float, ...] = ()
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
    """A model under a load, as it was measured.

    Attributes:
        setting: The model and the load.
        windows: In the order in which they were measured.
        error: What ended them early, if anything did.
        stability: How far the last windows of a stable cell differ at most.
    """

    setting: Setting
    windows: tuple[Window, ...] = ()
    error: str | None = None
    stability: float = STABILITY

    @property
    def measured(self) -> bool:
        """Whether there are any figures."""
        return bool(self.windows)

    @property
    def requests(self) -> int:
        """That were answered in all windows."""
        return sum(window.requests for window in self.windows)

    @cached_property
    def failures(self) -> Counter[str]:
        """Reason -> how many requests, in all windows."""
        return sum((Counter(window.failures) for window in self.windows), Counter[str]())

    @property
    def inferences_per_window(self) -> list[float]:
        """Images a second in each window; an inference is one image, and a request carries `batch_size` of them."""
        return [window.requests_per_second * self.setting.batch_size for window in self.windows]

    @cached_property
    def images_per_second(self) -> Interval:
        """The windows' mean."""
        return interval(self.inferences_per_window)

    @cached_property
    def average(self) -> Interval:
        """The windows' mean latency, in ms."""
        return interval([window.average for window in self.windows])

    def percentile(self, percent: int) -> Interval:
        """Of all windows' requests together, in ms; the limits from the scatter of the windows' own percentiles."""
        return self._percentiles[percent]

    def supports(self, percent: int) -> bool:
        """Whether at least one of its requests is expected above the percentile: the 95th needs 20, the 99th 100."""
        return self.requests * (100 - percent) >= 100

    @cached_property
    def _percentiles(self) -> Mapping[int, Interval]:
        return {percent: self._percentile(percent) for percent in PERCENTILES}

    def _percentile(self, percent: int) -> Interval:
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
        """Whether the last windows are near each other."""
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
        """The windows' mean, weighted by their requests."""
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
        """The windows' mean."""
        grown = [window.growth for window in self.windows if window.growth]
        if not grown:
            return None
        fields = ("first_quarter", "last_quarter", "offered", "achieved")
        return Growth(**{name: float(np.mean([getattr(growth, name) for growth in grown])) for name in fields})

    @property
    def client_cpu(self) -> float | None:
        """Cores that the load generator used, on average."""
        known = [window.client_cpu for window in self.windows if window.client_cpu is not None]
        return float(np.mean(known)) if known else None

    @property
    def server_memory(self) -> float | None:
        """The largest that was seen, in MiB."""
        return max((w.server_memory for w in self.windows if w.server_memory is not None), default=None)


def is_stable(windows: Sequence[Window], tolerance: float) -> bool:
    """The last three windows' throughputs are within `tolerance` of each other, and so are their average latencies."""
    last = windows[-STABLE_WINDOWS:]
    if len(last) < STABLE_WINDOWS:
        return False
    figures = ([window.requests_per_second for window in last], [window.average for window in last])
    return all(spread(values) <= tolerance for values in figures)
