"""What a manifest says of a configuration that was found by measuring."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Speed:
    """How fast a configuration was.

    Attributes:
        images_per_second: The mean over the windows.
        low: Its lower 95% limit.
        high: Its upper one.
        p95_ms: The 95th percentile of the latency.
    """

    images_per_second: float
    low: float
    high: float
    p95_ms: float


@dataclass(frozen=True)
class Tuning:
    """How the configuration of a version was found: `before` and `after` were measured in the same rounds.

    Attributes:
        created: When.
        from_version: The version whose configuration it was held against.
        machine: The CPU that it was measured on.
        threads: How many of its threads there were to use.
        concurrency: Requests in flight, one image each.
        p95_limit_ms: What the 95th percentile had to keep; None: nothing.
        budget_seconds: The time for the whole search.
        candidates: How many configurations were measured.
        before: As it was.
        after: As it is.
    """

    created: datetime
    from_version: int
    machine: str
    threads: int
    concurrency: int
    p95_limit_ms: float | None
    budget_seconds: float
    candidates: int
    before: Speed
    after: Speed
