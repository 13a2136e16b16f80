"""Short words for a report's figures, the same in every view."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tritonrepo.compare.cells import Cell, Setting
from tritonrepo.compare.figures import Figure
from tritonrepo.compare.intervals import Interval
from tritonrepo.compare.report import Report

UNKNOWN = "-"
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
    """The load as a number, which a column's title explains."""
    return f"{setting.request_rate:g}/s" if setting.request_rate is not None else str(setting.concurrency)


def load_title(report: Report) -> str:
    """What `short_load` is a number of."""
    return "requests/s" if report.open_loop else "concurrency"


def figure_text(figure: Figure, cell: Cell) -> str:
    """A figure of a cell; in brackets if the cell has too few requests for it."""
    if not cell.measured:
        return UNKNOWN
    value = figure.value(cell)
    text = _with_limits(value) if isinstance(value, Interval) and figure.unit != "ms" else _text(value, figure.unit)
    return text if figure.supported(cell) else f"({text})"


def _with_limits(value: Interval) -> str:
    """`12.3 ± 0.4`, the half width of the 95% interval."""
    return f"{value.mean:,.1f} ± {value.half_width:,.1f}" if value.known else f"{value.mean:,.1f}"


def _text(value: Interval | float | int | str | None, unit: str) -> str:
    if isinstance(value, Interval):
        value = value.mean
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, str):
        return value
    if unit == "ms":
        return milliseconds(value)
    return f"{value:.2f}" if unit == "cores" else f"{value:,.0f}"


def milliseconds(value: float) -> str:
    """With as many digits as matter."""
    if math.isnan(value):
        return UNKNOWN
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


def signed(relative: Interval) -> str:
    """`+3.1% ± 0.4%`, the half width of the 95% interval."""
    limits = f" ± {relative.half_width:.1%}" if relative.known else ""
    return f"{relative.mean:+.1%}{limits}"


def untrained_words(report: Report) -> str:
    """A warning, or nothing where all weights are trained."""
    if not report.untrained:
        return ""
    return f"The weights of {', '.join(report.untrained)} are untrained: speed is as it is, labels mean nothing."


def method(report: Report) -> str:
    """How the run was made."""
    given = report.conditions
    loop = (
        "An open loop sent requests by a schedule, and latency counts from when a request was due."
        if report.open_loop
        else "A closed loop kept so many requests in flight."
    )
    return (
        f"{loop} After a warm-up until stable, {given.windows} or more windows of at least {given.window:g} s "
        "for each cell, in rounds over all the cells with the models next to each other, so that a drift of the "
        "machine hits all alike. Intervals are 95%, by Student's t over the windows. A cell is stable if its last "
        f"three windows are within {given.stability:.0%} of each other in throughput and in average latency. Failed "
        f"requests are counted and in no other figure. {BRACKETS} The {given.images} images are "
        f"{'generated noise' if given.generated else 'real'}, sent over {given.protocol}, the same for every "
        f"model. The run took {report.duration / 60:.1f} minutes."
    )
