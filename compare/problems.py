"""What is wrong in a run: everything that makes the exit status 1, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from tritonrepo.compare.agreement import Agreement
from tritonrepo.compare.cells import Cell
from tritonrepo.compare.choice import Choice
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.report import Report
from tritonrepo.compare.slowness import SlowModel


def problems(report: Report, criteria: Criteria, choice: Choice, slow: Iterable[SlowModel]) -> Iterator[str]:
    """What was lost, what failed, what disagrees, what is too slow."""
    yield from (f"{model} was not measured: {reason}" for model, reason in report.lost.items())
    yield from _lost_cells(report.cells)
    yield from _failures(report.cells)
    yield from (_disagreement(one) for one in report.agreements if not one.within(criteria.tolerance))
    yield from (str(one) for one in slow if one.too_slow)
    if criteria.latency_budget is not None:
        yield from (f"{model} keeps no configuration within {criteria.latency_budget:g} ms" for model in choice.late)


def _lost_cells(cells: Iterable[Cell]) -> Iterator[str]:
    """A sentence for each model and reason, however many cells it cost."""
    lost: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.error:
            lost.setdefault((cell.setting.model, cell.error), []).append(cell)
    for (model, error), group in lost.items():
        yield f"{group[0].setting if len(group) == 1 else f'{model}, {len(group)} cells'}: {error}"


def _failures(cells: Iterable[Cell]) -> Iterator[str]:
    for cell in cells:
        if cell.error:
            continue
        if cell.failures:
            reason, _ = cell.failures.most_common(1)[0]
            yield f"{cell.setting}: {cell.failures.total():,} requests failed ({reason})"
        elif not cell.sustained:
            yield f"{cell.setting}: {_not_sustained(cell)}"


def _not_sustained(cell: Cell) -> str:
    growth = cell.growth
    assert growth is not None, "only an open loop has a rate to sustain"
    text = f"the rate was not sustained, {growth.achieved:.1f} of {growth.offered:.1f} requests/s were answered"
    if not math.isnan(growth.last_quarter):
        text += f", and the latency grew from {growth.first_quarter:.0f} to {growth.last_quarter:.0f} ms in a window"
    return text


def _disagreement(one: Agreement) -> str:
    if math.isnan(one.worst_shift):
        return f"{one.model} answers with NaN or infinity"
    return (
        f"{one.model} disagrees with {one.reference}: a logit differs by {one.worst_shift:.2g} of the spread between "
        f"the classes, a probability by {one.worst_difference:.2g}; top-1 agreement is {one.top1:.1%}"
    )
