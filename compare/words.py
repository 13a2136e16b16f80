"""Short words for a report's columns, the same on the terminal, in the page and in the plots."""

from __future__ import annotations

from collections.abc import Sequence

from tritonrepo.compare.cells import Cell, Setting
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.decision import best, pareto
from tritonrepo.compare.intervals import Interval
from tritonrepo.compare.report import Report

# What the brackets of `percentile_text` mean.
BRACKETS = "A percentile in brackets rests on too few requests: less than one is expected above it."


def shared_words(models: Sequence[str]) -> str:
    """What all the names begin with, in whole words: resnet50_ for resnet50_onnx and resnet50_tensorrt."""
    words = [model.split("_") for model in models]
    shared = 0
    while len(models) > 1 and all(len(w) > shared + 1 and w[shared] == words[0][shared] for w in words):
        shared += 1
    return "".join(f"{word}_" for word in words[0][:shared]) if words else ""


def short_names(models: Sequence[str]) -> dict[str, str]:
    """The names without what they share."""
    shared = shared_words(models)
    return {model: model.removeprefix(shared) for model in models}


def short_load(setting: Setting) -> str:
    return f"{setting.request_rate:g}/s" if setting.request_rate is not None else str(setting.concurrency)


def load_title(cells: Sequence[Cell]) -> str:
    """What `short_load` is a number of."""
    return "requests/s" if any(cell.setting.request_rate is not None for cell in cells) else "concurrency"


def with_limits(value: Interval, digits: int = 1) -> str:
    """`12.3 ± 0.4`, the half width of the 95% interval."""
    text = f"{value.mean:,.{digits}f}"
    return text if value.half_width != value.half_width else f"{text} ± {value.half_width:,.{digits}f}"


def milliseconds(value: float | None) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


def percentile_text(cell: Cell, percent: int) -> str:
    """In ms; in brackets if so few requests were measured that less than one is expected above it."""
    text = milliseconds(cell.percentile(percent).mean)
    return text if is_supported(cell, percent) else f"({text})"


def is_supported(cell: Cell, percent: int) -> bool:
    """Whether at least one of its requests is expected above the percentile: the 95th needs 20, the 99th 100."""
    return cell.requests * (100 - percent) >= 100


def marks(report: Report, criteria: Criteria) -> dict[Setting, list[str]]:
    """What is to be said of each cell: whether it is the best, on the Pareto front, unstable, failed."""
    winner = best(report.cells, criteria.latency_budget)
    front = {cell.setting for cell in pareto(report.cells)}
    found = {}
    for cell in report.cells:
        words = []
        if winner and cell.setting == winner.setting:
            words.append("best")
        if cell.setting in front:
            words.append("Pareto")
        found[cell.setting] = words + _complaints(cell)
    return found


def _complaints(cell: Cell) -> list[str]:
    words = []
    if cell.error:
        words.append("lost" if cell.measured else "not measured")
    if cell.failures:
        words.append(f"{cell.failures.total():,} failed")
    if cell.measured and not cell.sustained:
        words.append("rate not sustained")
    elif cell.measured and not cell.stable:
        words.append("unstable")
    return words
