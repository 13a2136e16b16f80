"""Successive halving: measure many candidates for a short time, keep the best third, measure those for longer.

K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016:
every rung gets the same time, so that what is left has the more of it each. They keep half; a third is what L. Li et
al., "Hyperband", JMLR 18 (2018), advise. Loading counts: a rung's time is what is left of it after the loads, by their
measured times, and no more candidates are begun than can be loaded and measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

KEPT = 3
"""One in so many goes on to the next rung."""

A = TypeVar("A")
A_in = TypeVar("A_in", contravariant=True)


@dataclass(frozen=True)
class Score:
    """What a candidate was measured at.

    Attributes:
        images_per_second: Under the load.
        p95: The latency's 95th percentile, in ms.
    """

    images_per_second: float
    p95: float


Order = Callable[[Score], tuple[bool, float]]
"""Sorts the better one first."""


def by_throughput(p95_limit: float | None) -> Order:
    """The highest throughput within the limit; of those beyond it, the soonest answer.

    Args:
        p95_limit: ms; None: any latency.
    """

    def order(score: Score) -> tuple[bool, float]:
        late = p95_limit is not None and not score.p95 <= p95_limit
        return late, score.p95 if late else -score.images_per_second

    return order


class Bench(Protocol[A_in]):
    """What measures a candidate."""

    def now(self) -> float:
        """Seconds on a clock."""

    def overhead(self, candidate: A_in) -> float:
        """The seconds that measuring it is expected to take beside those that it is measured for: loading above all."""

    def least(self, candidate: A_in) -> float:
        """The seconds below which a measurement of it says nothing."""

    def measure(self, candidate: A_in, seconds: float) -> Score | None:
        """Load it, drive it for so long, unload it; None if it cannot serve."""


def halve(candidates: Sequence[A], until: float, bench: Bench[A], order: Order) -> list[A]:
    """Search for the best of the candidates.

    Args:
        candidates: In the order in which they are taken where there is no time for all.
        until: On the bench's clock, when the search is to be over.
        bench: Measures them.
        order: What is better.

    Returns:
        Those that were measured: the ones that came farthest first, and of these the better.
    """
    left = _affordable(candidates, until - bench.now(), bench)
    ranked: list[A] = []
    while left:
        rung_ends = bench.now() + (until - bench.now()) / _rungs(len(left))
        scores = _measure(left, rung_ends, bench)
        best = sorted(scores, key=lambda one: order(scores[one]))
        ranked = [*best, *(one for one in ranked if one not in scores)]
        left = best[: math.ceil(len(best) / KEPT)] if len(best) > 1 else []
        left = left if len(left) > 1 and _fits(left, until - bench.now(), bench) else []
    return ranked


def _affordable(candidates: Sequence[A], seconds: float, bench: Bench[A]) -> list[A]:
    """The first of them, as many as the first rung can load and measure."""
    count = len(candidates)
    while count and not _fits(candidates[:count], seconds / _rungs(count), bench):
        count -= 1
    return list(candidates[:count])


def _fits(candidates: Sequence[A], seconds: float, bench: Bench[A]) -> bool:
    return sum(bench.overhead(one) + bench.least(one) for one in candidates) <= seconds


def _rungs(count: int) -> int:
    """How many there are until one third of the rest is a single candidate."""
    rungs = 1
    while (count := math.ceil(count / KEPT)) > 1:
        rungs += 1
    return rungs


def _measure(candidates: Sequence[A], until: float, bench: Bench[A]) -> dict[A, Score]:
    """The scores of those that can serve; whoever took long, those after it share what is left."""
    scores: dict[A, Score] = {}
    for index, one in enumerate(candidates):
        share = (until - bench.now()) / (len(candidates) - index) - bench.overhead(one)
        if share < bench.least(one) and scores:
            continue
        score = bench.measure(one, max(share, bench.least(one)))
        if score is not None:
            scores[one] = score
    return scores
