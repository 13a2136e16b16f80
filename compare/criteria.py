"""What a report is judged by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tritonrepo.client.errors import UsageError

TOLERANCE = 0.1
"""Of the reference's spread over the classes, and of a probability. FP16 moves a well-conditioned network's logits by
about 0.01 of the spread, a swapped class or a wrong channel order by about 1."""
MAX_SLOWDOWN = 3.0
"""From here on it is a problem that a model takes longer than the reference."""


@dataclass(frozen=True)
class Criteria:
    """The limits that a run has to keep.

    Attributes:
        latency_budget: ms, for the 95th percentile; None: any latency.
        price: Of an hour of the server, in any currency; None: no costs are shown.
        tolerance: How far a logit may be off, as a share of the spread between the classes, and how far a probability
            may be.
        max_slowdown: How many times as long as the reference a model may take; infinity for any.
        max_regression: How much worse than the baseline a figure may be, 0.05 for 5%; None: any amount.
    """

    latency_budget: float | None = None
    price: float | None = None
    tolerance: float = TOLERANCE
    max_slowdown: float = MAX_SLOWDOWN
    max_regression: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            UsageError: One is out of range, or is not a number.
        """
        if self.latency_budget is not None and not self.latency_budget > 0:
            raise UsageError(f"a latency budget of {self.latency_budget:g} ms: it must be more than 0")
        if self.price is not None and not 0 <= self.price < math.inf:
            raise UsageError(f"a price of {self.price:g} an hour: it must be 0 or more")
        if not self.tolerance >= 0:
            raise UsageError(f"a tolerance of {self.tolerance:g}: it must be 0 or more")
        if not self.max_slowdown > 0:
            raise UsageError(f"a slowdown of {self.max_slowdown:g} at most: it must be more than 0")
        if self.max_regression is not None and not self.max_regression >= 0:
            raise UsageError(f"a regression of {self.max_regression:g} at most: it must be 0 or more")
