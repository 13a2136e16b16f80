"""What is to be measured: which models, on which images, under which loads, and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tritonrepo.client.errors import UsageError

ENGINES = ("python", "perf_analyzer")
DISTRIBUTIONS = ("constant", "poisson")
STABLE_WINDOWS = 3
"""perf_analyzer's rule: so many last measurements are near each other, in throughput and in average latency."""
STABILITY = 0.10
"""How near: the largest is at most 10% above the smallest."""


@dataclass(frozen=True)
class Plan:
    """One run. Every model gets the same images under every load.

    Attributes:
        images: Files, directories or URLs of the images to send; none: generated noise.
        models: The names of the models; None: all that are ready.
        reference: The model that the others have to agree with; None: the first one.
        batch_sizes: Images in a request.
        concurrency: Requests that are always in flight (a closed loop).
        request_rates: Requests a second whatever happens (an open loop). If there are any, `concurrency` is not used.
        distribution: Of an open loop's requests: at `constant` intervals, or at random as a `poisson` process.
        seed: Of random times; another one gives other times.
        window: Seconds of a window, at least.
        windows: How many windows each cell gets.
        most_windows: Up to how many it gets while it is not stable.
        stability: How far the last windows of a stable cell differ at most; 0.1 is 10%.
        engine: What drives the load: `python`, or NVIDIA's `perf_analyzer`.
        perf_analyzer: The path of that program; None: from the PATH.
        repository: The server's model repository, if it is on this machine: adds the models' manifests to the report.
    """

    images: Sequence[str] = ()
    models: Sequence[str] | None = None
    reference: str | None = None
    batch_sizes: Sequence[int] = (1, 8)
    concurrency: Sequence[int] = (1, 4)
    request_rates: Sequence[float] = ()
    distribution: str = "constant"
    seed: int = 0
    window: float = 2.0
    windows: int = 5
    most_windows: int = 8
    stability: float = STABILITY
    engine: str = "python"
    perf_analyzer: str | None = None
    repository: Path | None = None

    def __post_init__(self) -> None:
        """Make the sequences tuples without repetitions.

        Raises:
            UsageError: Something is out of range.
        """
        for name in ("images", "models", "batch_sizes", "concurrency", "request_rates"):
            object.__setattr__(self, name, _tuple(getattr(self, name)))
        object.__setattr__(self, "most_windows", max(self.windows, self.most_windows))
        self._check_models()
        self._check_loads()
        self._check_windows()
        _check_choice("engine", self.engine, ENGINES)
        _check_choice("distribution", self.distribution, DISTRIBUTIONS)

    @property
    def largest_batch(self) -> int:
        """The largest of the batch sizes."""
        return max(self.batch_sizes)

    def _check_models(self) -> None:
        if self.models is not None and (not self.models or not all(self.models)):
            raise UsageError(f"models {', '.join(map(repr, self.models)) or '()'}: give their names, or none for all")
        if self.models is not None and self.reference is not None and self.reference not in self.models:
            raise UsageError(f"the reference {self.reference} is not among the models: {', '.join(self.models)}")

    def _check_loads(self) -> None:
        _check_counts("batch size", self.batch_sizes)
        if not self.request_rates:
            _check_counts("concurrency", self.concurrency)
        for rate in self.request_rates:
            if not 0 < rate < math.inf:
                raise UsageError(f"a request rate of {rate:g}: give a number of requests a second above 0")

    def _check_windows(self) -> None:
        if not 0 < self.window < math.inf:
            raise UsageError(f"a window of {self.window:g} s: it must be more than 0")
        if self.windows < STABLE_WINDOWS:
            raise UsageError(f"{self.windows} windows: the stability rule and the intervals need {STABLE_WINDOWS}")
        if not 0 < self.stability < math.inf:
            raise UsageError(f"a stability of {self.stability:.0%}: it must be more than 0")


def _tuple(values: Iterable[object] | None) -> tuple[object, ...] | None:
    """Without repetitions. A text alone is one item, and not its characters."""
    if values is None:
        return None
    return (values,) if isinstance(values, str) else tuple(dict.fromkeys(values))


def _check_counts(what: str, counts: Sequence[int]) -> None:
    if not counts:
        raise UsageError(f"no {what} is given")
    for count in counts:
        if count < 1:
            raise UsageError(f"a {what} of {count}: it must be at least 1")


def _check_choice(what: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise UsageError(f"{what} {word!r} is not one of {', '.join(known)}")
