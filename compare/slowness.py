"""Which models take much longer than the reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tritonrepo.compare.cells import Cell
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.report import Report

NOTABLE_SLOWDOWN = 1.5
"""From here on it is worth a sentence that a model takes longer than the reference."""


@dataclass(frozen=True)
class SlowModel:
    """A model that takes longer than the reference under some load, by more than chance.

    Attributes:
        model: Its name.
        reference: The reference's name.
        least: How many times as long it takes, under the load where that is least.
        most: Under the load where it is most.
        too_slow: Whether it is slower than the criteria allow.
    """

    model: str
    reference: str
    least: float
    most: float
    too_slow: bool

    def __str__(self) -> str:
        low, high = f"{self.least:.1f}", f"{self.most:.1f}"
        factors = low if low == high else f"{low} to {high}"
        return f"{self.model} is slow: it takes {factors} times as long as {self.reference}."


def slow_models(report: Report, criteria: Criteria) -> Iterator[SlowModel]:
    """The models of which it is worth a sentence, or a problem."""
    for model in report.measured_models:
        pairs = list(_pairs(report, model))
        factors = [slowdown(cell, peer) for cell, peer in pairs]
        # Those under which the two are apart by more than chance.
        clear = [factor for factor, (cell, peer) in zip(factors, pairs, strict=True) if not _alike(cell, peer)]
        if clear and max(clear) > min(NOTABLE_SLOWDOWN, criteria.max_slowdown):
            too_slow = max(clear) > criteria.max_slowdown
            yield SlowModel(model, report.reference, min(factors), max(factors), too_slow)


def slowdown(cell: Cell, reference: Cell) -> float:
    """How many times as long as the reference's cell it takes, by throughput; by average latency in an open loop."""
    if cell.setting.request_rate is not None:
        return cell.average.mean / reference.average.mean
    return reference.images_per_second.mean / cell.images_per_second.mean


def _pairs(report: Report, model: str) -> Iterator[tuple[Cell, Cell]]:
    """The model's cells with the reference's under the same load, where both were measured."""
    for cell in report.cells_of(model):
        peer = report.peer(cell, report.reference)
        if cell.measured and peer and peer.measured:
            yield cell, peer


def _alike(cell: Cell, peer: Cell) -> bool:
    return cell.average.overlaps(peer.average)
