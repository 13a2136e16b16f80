"""Which configuration to take, and what is wrong: a report's figures in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tritonrepo.compare.agreement import Agreement
from tritonrepo.compare.cells import Cell
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.report import Report

# The percentile that a latency budget is held against.
BUDGET_PERCENTILE = 95
# From here on it is worth a sentence that a model takes longer than the reference.
NOTABLE_SLOWDOWN = 1.5


def within_budget(cell: Cell, budget: float | None) -> bool:
    return budget is None or cell.percentile(BUDGET_PERCENTILE).mean <= budget


def best(cells: Iterable[Cell], budget: float | None = None) -> Cell | None:
    """The highest throughput within the budget. Only usable cells count, and unstable ones only if all of them are."""
    candidates = [cell for cell in cells if cell.usable and within_budget(cell, budget)]
    stable = [cell for cell in candidates if cell.stable]
    return max(stable or candidates, key=lambda cell: cell.images_per_second.mean, default=None)


def equals(winner: Cell, cells: Iterable[Cell], budget: float | None = None) -> list[Cell]:
    """The other cells within the budget whose throughput's interval overlaps the winner's."""
    return [
        cell
        for cell in cells
        if cell.setting != winner.setting
        and cell.usable
        and within_budget(cell, budget)
        and cell.images_per_second.overlaps(winner.images_per_second)
    ]


def pareto(cells: Iterable[Cell]) -> list[Cell]:
    """The usable cells that no other beats in both throughput and 95th percentile, by ascending latency."""
    front: list[Cell] = []
    usable = (cell for cell in cells if cell.usable)
    for cell in sorted(usable, key=lambda c: (c.percentile(BUDGET_PERCENTILE).mean, -c.images_per_second.mean)):
        if not front or cell.images_per_second.mean > front[-1].images_per_second.mean:
            front.append(cell)
    return front


def cost_per_thousand(cell: Cell, price: float) -> float:
    """Of 1,000 images, at the cell's throughput around the clock."""
    return price / 3600 / cell.images_per_second.mean * 1000


def slowdown(cell: Cell, reference: Cell) -> float:
    """How many times as long as the reference's cell it takes, by throughput; by average latency in an open loop."""
    if cell.setting.request_rate is not None:
        return cell.average.mean / reference.average.mean
    return reference.images_per_second.mean / cell.images_per_second.mean


def problems(report: Report, criteria: Criteria) -> list[str]:
    """Everything that makes the exit status 1, a sentence each."""
    found = [f"{model} was not measured: {reason}" for model, reason in report.lost.items()]
    found += _lost_cells(report.cells)
    for cell in report.cells:
        if cell.error:
            continue
        if cell.failures:
            reason, _ = cell.failures.most_common(1)[0]
            found.append(f"{cell.setting}: {cell.failures.total():,} requests failed ({reason})")
        elif not cell.sustained:
            found.append(f"{cell.setting}: {_not_sustained(cell)}")
    found += [_disagreement(one) for one in report.agreements if not one.within(criteria.tolerance)]
    found += _slow_models(report, criteria.max_slowdown)
    if criteria.latency_budget is not None:
        found += [
            f"{model} keeps no configuration within {criteria.latency_budget:g} ms"
            for model in report.measured_models
            if not best(report.cells_of(model), criteria.latency_budget)
        ]
    return found


def _lost_cells(cells: Iterable[Cell]) -> list[str]:
    """A sentence for each model and reason, however many cells it cost."""
    lost: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.error:
            lost.setdefault((cell.setting.model, cell.error), []).append(cell)
    return [
        f"{group[0].setting if len(group) == 1 else f'{model}, {len(group)} cells'}: {error}"
        for (model, error), group in lost.items()
    ]


def _not_sustained(cell: Cell) -> str:
    growth = cell.growth
    assert growth is not None, "only an open loop has a rate to sustain"
    text = f"the rate was not sustained, {growth.achieved:.1f} of {growth.offered:.1f} requests/s were answered"
    if growth.last_quarter == growth.last_quarter:
        text += f", and the latency grew from {growth.first_quarter:.0f} to {growth.last_quarter:.0f} ms in a window"
    return text


def _disagreement(one: Agreement) -> str:
    if one.worst_shift != one.worst_shift:
        return f"{one.model} answers with NaN or infinity"
    return (
        f"{one.model} disagrees with {one.reference}: a logit differs by {one.worst_shift:.2g} of the spread between "
        f"the classes, a probability by {one.worst_difference:.2g}; top-1 agreement is {one.top1:.1%}"
    )


def _slow_models(report: Report, limit: float) -> list[str]:
    """Those that take more than `limit` times as long as the reference under some load, by more than chance."""
    found = []
    for model in report.measured_models:
        pairs = [(cell, report.peer(cell, report.reference)) for cell in report.cells_of(model) if cell.measured]
        measured = [(cell, peer) for cell, peer in pairs if peer and peer.measured]
        factors = [slowdown(cell, peer) for cell, peer in measured]
        apart = [not cell.average.overlaps(peer.average) for cell, peer in measured]
        if any(f > limit and clear for f, clear in zip(factors, apart, strict=True)):
            found.append(f"{model} is slow: it takes {_range(factors)} times as long as {report.reference}.")
    return found


def _range(factors: Sequence[float]) -> str:
    low, high = f"{min(factors):.1f}", f"{max(factors):.1f}"
    return low if low == high else f"{low} to {high}"


def sentences(report: Report, criteria: Criteria) -> list[str]:
    """The report's end: what to take and why, in plain words."""
    winner = best(report.cells, criteria.latency_budget)
    if winner is None:
        return [_nothing_fits(report, criteria)]
    said = [_recommendation(winner, criteria)]
    said += _others(report, winner, criteria)
    too_slow = _slow_models(report, criteria.max_slowdown)
    said += [one for one in _slow_models(report, NOTABLE_SLOWDOWN) if one not in too_slow]
    agreeing = [one for one in report.agreements if one.within(criteria.tolerance)]
    if agreeing and len(agreeing) == len(report.agreements):
        worst = max(one.worst_difference for one in agreeing)
        said.append(f"The models agree: no probability differs by more than {worst:.1g}.")
    elif winner.setting.model in {one.model for one in report.agreements} - {one.model for one in agreeing}:
        said.append(f"But {winner.setting.model} does not agree with {report.reference}: do not take it for its speed.")
    unstable = [cell for cell in report.cells if cell.measured and cell.sustained and not cell.stable]
    if unstable:
        verb = "was" if len(unstable) == 1 else "were"
        said.append(
            f"{len(unstable)} of {len(report.cells)} cells {verb} not stable: measure again on a quieter machine."
        )
    if report.interrupted:
        said.append("The run was interrupted before all its windows were measured.")
    return said


def _recommendation(winner: Cell, criteria: Criteria) -> str:
    rate, tail = winner.images_per_second, winner.percentile(BUDGET_PERCENTILE)
    limits = f" (95% interval {rate.low:,.1f} to {rate.high:,.1f})" if rate.known else ""
    budget = f"Within {criteria.latency_budget:g} ms at the 95th percentile, t" if criteria.latency_budget else "T"
    text = (
        f"{budget}ake {winner.setting.model} with batch size {winner.setting.batch_size} at {winner.setting.load}: "
        f"{rate.mean:,.1f} images/s{limits}, p95 {tail.mean:,.1f} ms"
    )
    if criteria.price is not None:
        text += f", {cost_per_thousand(winner, criteria.price):.3g} per 1,000 images at {criteria.price:g} an hour"
    return text + ("." if winner.stable else ", though its windows were not stable.")


def _others(report: Report, winner: Cell, criteria: Criteria) -> list[str]:
    said = []
    ties = equals(winner, report.cells, criteria.latency_budget)
    if ties:
        said.append(_ties(winner, ties))
    for model in report.measured_models:
        other = best(report.cells_of(model), criteria.latency_budget)
        if other and model != winner.setting.model:
            less = 1 - other.images_per_second.mean / winner.images_per_second.mean
            said.append(
                f"{model} reaches {other.images_per_second.mean:,.1f} images/s at best "
                f"(batch size {other.setting.batch_size}, {other.setting.load}), {less:.0%} less."
            )
    return said


def _ties(winner: Cell, ties: Sequence[Cell]) -> str:
    """What is as good for all that this run can tell, and which of it answers soonest."""
    quickest = _quickest([winner, *ties])
    if len(ties) > 1:
        others = f"The throughput of {len(ties)} other configurations is not distinguishable from it in this run"
    else:
        others = f"The throughput of {ties[0].setting} is not distinguishable from it in this run"
    if quickest.setting == winner.setting:
        return f"{others}, and it is the quickest to answer of them."
    which = f"; the quickest to answer of them is {quickest.setting}" if len(ties) > 1 else ", and it answers sooner"
    rate, tail = quickest.images_per_second.mean, quickest.percentile(BUDGET_PERCENTILE).mean
    return f"{others}{which}: {rate:,.1f} images/s, p95 {tail:,.1f} ms."


def _quickest(cells: Iterable[Cell]) -> Cell:
    return min(cells, key=lambda cell: cell.percentile(BUDGET_PERCENTILE).mean)


def _nothing_fits(report: Report, criteria: Criteria) -> str:
    usable = [cell for cell in report.cells if cell.usable]
    if not usable:
        return "No configuration was measured without failures, so none can be recommended."
    quickest = _quickest(usable)
    return (
        f"No configuration keeps the 95th percentile within {criteria.latency_budget:g} ms; the quickest is "
        f"{quickest.setting} with {quickest.percentile(BUDGET_PERCENTILE).mean:,.1f} ms."
    )
