"""The search within its time: what is there, then where a model runs, then how requests are put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tritonrepo.client.errors import RequestError, UsageError
from tritonrepo.compare.tuning.halving import Bench, Order, Score, by_throughput, halve
from tritonrepo.compare.tuning.space import Arm, Machine, batchings, placements
from tritonrepo.compare.tuning.subjects import Subject

PRESENT_SHARE = 0.1
"""Of the budget, for measuring what is there."""
PLACEMENT_SHARE = 0.6
"""Of the search's time; the rest is for batching, which is tried at the best place alone."""
FINAL_SHARE = 0.4
"""Of what is left after the first measurement: the decision rests on the final, and the search only proposes."""
MARGIN = 1.25
"""Of the shortest final: without three whole rounds it says nothing."""
QUICK_FINAL = 1.0
"""Seconds that a quick candidate takes in the shortest final, its loading aside."""
NOTHING_TO_TRY = "on this machine there is no other way to run this model"


class SearchBench(Bench[Arm], Protocol):
    """A bench that says why candidates were lost, and what a final takes."""

    @property
    def lost(self) -> Mapping[Arm, str]:
        """The candidates that cannot be taken -> why."""

    def final(self, candidate: Arm) -> float:
        """The seconds of the shortest final that a candidate, already measured, takes part in."""


@dataclass(frozen=True)
class Load:
    """What candidates are measured under.

    Attributes:
        concurrency: Requests in flight, of one image each.
        p95_limit: ms that the 95th percentile of the latency has to keep; None: any.
    """

    concurrency: int = 4
    p95_limit: float | None = None


@dataclass(frozen=True)
class Found:
    """Who meets in the final.

    Attributes:
        present: What answers now where a client names no format.
        own: How the challenger's own model stands.
        challenger: The best of all that is not `present`.
        left_out: The formats that cannot be served as they stand -> why.
        final_ends: On the bench's clock, when the final has to be over.
    """

    present: Arm
    own: Arm
    challenger: Arm
    left_out: Mapping[str, str]
    final_ends: float


class _Scores:
    """A bench that remembers the last score of each candidate."""

    def __init__(self, bench: SearchBench) -> None:
        self._bench = bench
        self.found: dict[Arm, Score] = {}

    def now(self) -> float:
        return self._bench.now()

    def overhead(self, candidate: Arm) -> float:
        return self._bench.overhead(candidate)

    def least(self, candidate: Arm) -> float:
        return self._bench.least(candidate)

    def measure(self, candidate: Arm, seconds: float) -> Score | None:
        score = self._bench.measure(candidate, seconds)
        if score is not None:
            self.found[candidate] = score
        return score


def search(
    bench: SearchBench, subjects: Sequence[Subject], machine: Machine, load: Load, began: float, until: float
) -> Found:
    """Find the challenger, and leave time for the final.

    Args:
        bench: Measures candidates.
        subjects: The models, the one that clients prefer first.
        machine: What there is to share out.
        load: Under which they are measured.
        began: When the budget's time began, on the bench's clock.
        until: When no model may be loaded any more.

    Raises:
        UsageError: There was no time for a single candidate, or there is none.
        RequestError: What is there cannot be served.
    """
    scores, order = _Scores(bench), by_throughput(load.p95_limit)
    served, left_out = _measure_present(scores, bench, subjects, until - began)
    now = {subject.name: Arm(subject.name, subject.knobs) for subject in served}
    present = now[served[0].name]
    until -= max(map(bench.overhead, now.values()))  # the last models take about as long to end as to load
    search_ends = until - max(FINAL_SHARE * (until - bench.now()), _shortest_final(bench, list(now.values())))
    placed_by = bench.now() + PLACEMENT_SHARE * (search_ends - bench.now())
    places = placements(served, machine)
    proposed = [*now.values(), *halve(places, placed_by, scores, order)[:1]]
    place = _best(proposed, scores, order)
    largest = next(subject.config.max_batch_size for subject in served if subject.name == place.model)
    ways = batchings(place, largest, load.concurrency)
    proposed += halve(ways, search_ends, scores, order)[:1]
    others = [arm for arm in proposed if arm != present]
    if not others:
        raise UsageError(_why_none(bench, present, began) if places or ways else NOTHING_TO_TRY)
    challenger = _best(others, scores, order)
    return Found(present, now[challenger.model], challenger, left_out, until)


def _why_none(bench: SearchBench, present: Arm, began: float) -> str:
    each, final = bench.overhead(present) + bench.least(present), _shortest_final(bench, [present])
    return (
        f"the budget is too short: a candidate alone takes {each:.1f} s, loading included, and the final "
        f"{final:.1f} s; give at least {bench.now() - began + 2 * (each + final):.0f} s"
    )


def _measure_present(
    scores: _Scores, bench: SearchBench, subjects: Sequence[Subject], seconds: float
) -> tuple[list[Subject], dict[str, str]]:
    """The models that can be served as they stand. Raises `RequestError` if the first cannot."""
    served, left_out = [], {}
    for subject in subjects:
        arm = Arm(subject.name, subject.knobs)
        if scores.measure(arm, PRESENT_SHARE * seconds / len(subjects)) is None:
            left_out[subject.name] = bench.lost[arm]
        else:
            served.append(subject)
    if not served or served[0] is not subjects[0]:
        raise RequestError(f"{subjects[0].name} cannot be served as it stands: {left_out[subjects[0].name]}")
    return served, left_out


def _shortest_final(bench: SearchBench, presents: Sequence[Arm]) -> float:
    """Of the two that take longest, and a challenger that takes no longer than the quickest of them."""
    each = sorted(map(bench.final, presents))
    return MARGIN * sum([*each[-2:], min(each[0], bench.overhead(presents[0]) + QUICK_FINAL)])


def _best(arms: Sequence[Arm], scores: _Scores, order: Order) -> Arm:
    return min(arms, key=lambda arm: order(scores.found[arm]))
