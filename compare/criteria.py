"""What a comparison is judged by."""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE = 0.1
"""Of the reference's spread over the classes (the standard deviation of its logits). FP16 moves a well-conditioned
network's logits by about 0.01 of it, a swapped class or a wrong channel order by about 1."""
MAX_SLOWDOWN = 3.0
"""From here on it is a problem that a model takes longer than the reference."""


@dataclass(frozen=True)
class Criteria:
    """`latency_budget`: ms, for the 95th percentile. `price`: of an hour of the server, in any currency.

    `tolerance`: of the agreement. `max_slowdown`: how many times as long as the reference a model may take; infinity
    for any.
    """

    latency_budget: float | None = None
    price: float | None = None
    tolerance: float = TOLERANCE
    max_slowdown: float = MAX_SLOWDOWN
