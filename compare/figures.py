"""The figures of a cell, each defined once: its name in JSON and CSV, its title and unit for people, and its value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tritonrepo.compare.cells import PERCENTILES, Cell, Split
from tritonrepo.compare.intervals import Interval

Value: TypeAlias = Interval | float | int | str | bool | None
"""An `Interval` where the windows' scatter says how sure a figure is; None where it is not known."""


@dataclass(frozen=True)
class Figure:
    """One figure of a cell.

    Attributes:
        name: In JSON and CSV, with its unit. An interval's limits are beside it, as `<name>_low` and `<name>_high`.
        value: Reads it from a cell that was measured.
        title: For people; empty where no table shows it.
        unit: Of the value, for people.
        supported: Whether a cell has enough requests for it.
        words: Whether its value is a text.
    """

    name: str
    value: Callable[[Cell], Value]
    title: str = ""
    unit: str = ""
    supported: Callable[[Cell], bool] = lambda cell: True
    words: bool = False


def _of_split(part: str) -> Callable[[Cell], Value]:
    return lambda cell: getattr(cell.split, part) if cell.split else None


def _of_growth(part: str) -> Callable[[Cell], Value]:
    return lambda cell: getattr(cell.growth, part) if cell.growth else None


def _percentile(percent: int) -> Figure:
    return Figure(
        f"p{percent}_ms",
        lambda cell: cell.percentile(percent),
        f"p{percent}",
        "ms",
        supported=lambda cell: cell.supports(percent),
    )


def executed(split: Split | None) -> str:
    """`4x120 8x3`: batch size 4 was executed 120 times, batch size 8 three times."""
    return " ".join(f"{size}x{count}" for size, count in sorted(split.executions.items())) if split else ""


FIGURES = (
    Figure("requests", lambda cell: cell.requests, "requests"),
    Figure("failures", lambda cell: cell.failures.total()),
    Figure("stable", lambda cell: cell.stable),
    Figure("usable", lambda cell: cell.usable),
    Figure("inferences_per_second", lambda cell: cell.images_per_second.mean),
    Figure("images_per_second", lambda cell: cell.images_per_second, "images/s"),
    Figure("requests_per_second", lambda cell: cell.images_per_second.mean / cell.setting.batch_size),
    Figure("average_ms", lambda cell: cell.average, "average", "ms"),
    Figure("standard_deviation_ms", lambda cell: cell.standard_deviation, "std", "ms"),
    *map(_percentile, PERCENTILES),
    Figure("queue_ms", _of_split("queue"), "queue", "ms"),
    Figure("compute_input_ms", _of_split("compute_input"), "input", "ms"),
    Figure("compute_infer_ms", _of_split("compute_infer"), "infer", "ms"),
    Figure("compute_output_ms", _of_split("compute_output"), "output", "ms"),
    Figure("executed_batch_sizes", lambda cell: executed(cell.split), "executed", words=True),
    Figure("sustained", lambda cell: cell.sustained),
    Figure("achieved_requests_per_second", _of_growth("achieved")),
    Figure("first_quarter_ms", _of_growth("first_quarter")),
    Figure("last_quarter_ms", _of_growth("last_quarter")),
    Figure("client_cpu_cores", lambda cell: cell.client_cpu, "CPU", "cores"),
    Figure("server_memory_mib", lambda cell: cell.server_memory, "memory", "MiB"),
)
_OF_A_CELL_WITHOUT_WINDOWS = ("requests", "failures", "stable", "usable")


def summary(cell: Cell) -> dict[str, float | int | str | bool | None]:
    """A cell in single figures, by name; few of them if it was not measured."""
    return dict(_numbers(cell))


def _numbers(cell: Cell) -> Iterator[tuple[str, float | int | str | bool | None]]:
    for figure in FIGURES:
        if not cell.measured and figure.name not in _OF_A_CELL_WITHOUT_WINDOWS:
            continue
        value = figure.value(cell)
        if isinstance(value, Interval):
            yield figure.name, value.mean
            yield f"{figure.name}_low", value.low
            yield f"{figure.name}_high", value.high
        else:
            yield figure.name, value
