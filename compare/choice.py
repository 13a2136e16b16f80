"""Which configuration to take: the highest throughput among those that keep all the criteria.

One set of candidates serves every answer, so that what is best, what is as good and what lies on the Pareto front never
contradict each other or the latency budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tritonrepo.compare.cells import Cell
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.report import Report

BUDGET_PERCENTILE = 95
"""The percentile that a latency budget is held against."""


@dataclass(frozen=True)
class Choice:
    """What the run says about which configuration to take.

    Attributes:
        candidates: The cells that a decision may rest on: usable, within the latency budget, of a model that agrees.
        best: The one with the highest throughput; an unstable one only if no candidate is stable.
        ties: The other candidates whose throughput's interval overlaps the best one's.
        quickest: Of the best and its ties, the one that answers soonest.
        front: The candidates that no other beats in both throughput and 95th percentile, by ascending latency.
        best_of: Model -> its best candidate; without the models that have none.
        over_budget: The usable cells of agreeing models that are slower than the budget.
        disagreeing: The usable cells of models that do not agree with the reference.
        late: The models of which no usable cell is within the budget.
    """

    candidates: tuple[Cell, ...]
    best: Cell | None
    ties: tuple[Cell, ...]
    quickest: Cell | None
    front: tuple[Cell, ...]
    best_of: Mapping[str, Cell]
    over_budget: tuple[Cell, ...]
    disagreeing: tuple[Cell, ...]
    late: tuple[str, ...]


def choose(report: Report, criteria: Criteria) -> Choice:
    """Choose among the cells of a run."""
    suspects = {one.model for one in report.agreements if not one.within(criteria.tolerance)}
    usable = [cell for cell in report.cells if cell.usable]
    agreeing = [cell for cell in usable if cell.setting.model not in suspects]
    candidates = [cell for cell in agreeing if _within(cell, criteria.latency_budget)]
    in_time = {cell.setting.model for cell in usable if _within(cell, criteria.latency_budget)}
    winner = best(candidates)
    ties = _ties(winner, candidates) if winner else []
    best_of = {model: best(c for c in candidates if c.setting.model == model) for model in report.measured_models}
    return Choice(
        candidates=tuple(candidates),
        best=winner,
        ties=tuple(ties),
        quickest=quickest([winner, *ties]) if winner else None,
        front=tuple(front(candidates)),
        best_of={model: cell for model, cell in best_of.items() if cell},
        over_budget=tuple(cell for cell in agreeing if cell not in candidates),
        disagreeing=tuple(cell for cell in usable if cell.setting.model in suspects),
        late=tuple(model for model in report.measured_models if model not in in_time),
    )


def best(cells: Iterable[Cell]) -> Cell | None:
    """The one with the highest throughput; an unstable one only if all of them are."""
    cells = list(cells)
    stable = [cell for cell in cells if cell.stable]
    return max(stable or cells, key=lambda cell: cell.images_per_second.mean, default=None)


def quickest(cells: Iterable[Cell]) -> Cell:
    """The one that answers soonest, of at least one."""
    return min(cells, key=tail)


def tail(cell: Cell) -> float:
    """The latency that a budget is held against, in ms."""
    return cell.percentile(BUDGET_PERCENTILE).mean


def _within(cell: Cell, budget: float | None) -> bool:
    return budget is None or tail(cell) <= budget


def _ties(winner: Cell, candidates: Sequence[Cell]) -> list[Cell]:
    others = (cell for cell in candidates if cell.setting != winner.setting)
    return [cell for cell in others if cell.images_per_second.overlaps(winner.images_per_second)]


def front(candidates: Iterable[Cell]) -> list[Cell]:
    """Those that no other beats in both throughput and 95th percentile, by ascending latency."""
    found: list[Cell] = []
    for cell in sorted(candidates, key=lambda cell: (tail(cell), -cell.images_per_second.mean)):
        if not found or cell.images_per_second.mean > found[-1].images_per_second.mean:
            found.append(cell)
    return found
