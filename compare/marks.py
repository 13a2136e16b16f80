"""What is to be said of each cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tritonrepo.compare.cells import Cell
from tritonrepo.compare.choice import Choice
from tritonrepo.compare.criteria import Criteria

BEST, PARETO = "best", "Pareto"


@dataclass(frozen=True)
class JudgedCell:
    """A cell, and what is to be said of it.

    Attributes:
        cell: Its figures.
        merits: `best` and `Pareto`, where they are true.
        complaints: Why it cannot be, or should not be, the best.
        cost: Of 1,000 images; None without a price or figures.
    """

    cell: Cell
    merits: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    cost: float | None = None

    @property
    def best(self) -> bool:
        """Whether it is the one to take."""
        return BEST in self.merits


def judged(cell: Cell, criteria: Criteria, choice: Choice) -> JudgedCell:
    """A cell with its marks and its cost."""
    cost = cost_per_thousand(cell, criteria.price) if criteria.price is not None and cell.measured else None
    return JudgedCell(cell, tuple(_merits(cell, choice)), tuple(_complaints(cell, choice)), cost)


def cost_per_thousand(cell: Cell, price: float) -> float:
    """Of 1,000 images, at the cell's throughput around the clock and `price` an hour."""
    return price / 3600 / cell.images_per_second.mean * 1000


def _merits(cell: Cell, choice: Choice) -> Iterator[str]:
    if choice.best and cell.setting == choice.best.setting:
        yield BEST
    if cell in choice.front:
        yield PARETO


def _complaints(cell: Cell, choice: Choice) -> Iterator[str]:
    if cell.error:
        yield "lost" if cell.measured else "not measured"
    if cell.failures:
        yield f"{cell.failures.total():,} failed"
    if cell.measured and not cell.sustained:
        yield "rate not sustained"
    elif cell.measured and not cell.stable:
        yield "unstable"
    if cell in choice.over_budget:
        yield "too late"
    if cell in choice.disagreeing:
        yield "disagrees"
