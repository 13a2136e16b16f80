"""The end of a report: what to take and why, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tritonrepo.compare.cells import Cell
from tritonrepo.compare.choice import Choice, quickest, tail
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.marks import cost_per_thousand
from tritonrepo.compare.report import Report
from tritonrepo.compare.slowness import SlowModel


def sentences(report: Report, criteria: Criteria, choice: Choice, slow: Iterable[SlowModel]) -> Iterator[str]:
    """What to take; what is as good; what the other models reach; what speaks against a hasty decision."""
    if choice.best is None:
        yield _nothing_to_take(criteria, choice)
    else:
        yield _recommendation(choice.best, criteria)
        yield from _ties(choice.best, choice)
        yield from _other_models(choice.best, criteria, choice)
        yield from _passed_over(choice.best, criteria, choice)
    yield from (str(one) for one in slow if not one.too_slow)
    yield from _agreement(report, criteria)
    yield from _doubts(report)


def _recommendation(winner: Cell, criteria: Criteria) -> str:
    rate = winner.images_per_second
    limits = f" (95% interval {rate.low:,.1f} to {rate.high:,.1f})" if rate.known else ""
    take = "Take" if criteria.latency_budget is None else f"{_within_budget(criteria.latency_budget)}, take"
    text = (
        f"{take} {winner.setting.model} with batch size {winner.setting.batch_size} at {winner.setting.load}: "
        f"{rate.mean:,.1f} images/s{limits}, p95 {tail(winner):,.1f} ms"
    )
    if criteria.price is not None:
        text += f", {cost_per_thousand(winner, criteria.price):.3g} per 1,000 images at {criteria.price:g} an hour"
    return text + ("." if winner.stable else ", though its windows were not stable.")


def _within_budget(budget: float) -> str:
    return f"Within {budget:g} ms at the 95th percentile"


def _ties(winner: Cell, choice: Choice) -> Iterator[str]:
    """What is as good for all that this run can tell, and which of it answers soonest."""
    if not choice.ties or choice.quickest is None:
        return
    several = len(choice.ties) > 1
    others = f"{len(choice.ties)} other configurations" if several else str(choice.ties[0].setting)
    text = f"The throughput of {others} is not distinguishable from it in this run"
    if choice.quickest.setting == winner.setting:
        yield f"{text}, and it is the quickest to answer of them."
    else:
        which = (
            f"; the quickest to answer of them is {choice.quickest.setting}" if several else ", and it answers sooner"
        )
        yield f"{text}{which}: {_figures(choice.quickest)}."


def _other_models(winner: Cell, criteria: Criteria, choice: Choice) -> Iterator[str]:
    """What each of the others reaches, under the same budget."""
    budget = "" if criteria.latency_budget is None else " within the budget"
    for model, cell in choice.best_of.items():
        if model != winner.setting.model:
            rate, limit = cell.images_per_second.mean, winner.images_per_second.mean
            much = f"{1 - rate / limit:.0%} less" if rate <= limit else f"{rate / limit - 1:.0%} more, but not stable"
            yield (
                f"{model} reaches {rate:,.1f} images/s at best{budget} "
                f"(batch size {cell.setting.batch_size}, {cell.setting.load}), {much}."
            )


def _passed_over(winner: Cell, criteria: Criteria, choice: Choice) -> Iterator[str]:
    """The cells that are clearly faster, and why none of them is the best."""
    unstable = _fastest(winner, (c for c in choice.candidates if c.setting.model == winner.setting.model))
    if unstable:
        yield f"{unstable.setting} was faster, but not stable: {_figures(unstable)}."
    late = _fastest(winner, choice.over_budget)
    if late and criteria.latency_budget is not None:
        yield f"Beyond {criteria.latency_budget:g} ms, {late.setting} reaches {_figures(late)}."
    wrong = _fastest(winner, choice.disagreeing)
    if wrong:
        yield f"{wrong.setting} reaches {_figures(wrong)}, but does not agree: do not take it for its speed."


def _fastest(winner: Cell, cells: Iterable[Cell]) -> Cell | None:
    """The fastest of the cells that are faster than the winner by more than chance."""
    faster = [cell for cell in cells if cell.images_per_second.low > winner.images_per_second.high]
    return max(faster, key=lambda cell: cell.images_per_second.mean, default=None)


def _figures(cell: Cell) -> str:
    return f"{cell.images_per_second.mean:,.1f} images/s, p95 {tail(cell):,.1f} ms"


def _nothing_to_take(criteria: Criteria, choice: Choice) -> str:
    if criteria.latency_budget is not None and choice.over_budget:
        soonest = quickest(choice.over_budget)
        return (
            f"No configuration keeps the 95th percentile within {criteria.latency_budget:g} ms; the quickest is "
            f"{soonest.setting} with {tail(soonest):,.1f} ms."
        )
    if choice.disagreeing:
        return "No configuration of a model that agrees with the reference was measured without failures."
    return "No configuration was measured without failures, so none can be recommended."


def _agreement(report: Report, criteria: Criteria) -> Iterator[str]:
    if report.agreements and all(one.within(criteria.tolerance) for one in report.agreements):
        worst = max(one.worst_difference for one in report.agreements)
        yield f"The models agree: no probability differs by more than {worst:.1g}."


def _doubts(report: Report) -> Iterator[str]:
    unstable = [cell for cell in report.cells if cell.measured and cell.sustained and not cell.stable]
    if unstable:
        verb = "was" if len(unstable) == 1 else "were"
        yield f"{len(unstable)} of {len(report.cells)} cells {verb} not stable: measure again on a quieter machine."
    if report.interrupted:
        yield "The run was interrupted before all its windows were measured."
