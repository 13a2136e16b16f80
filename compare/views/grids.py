"""The tables of a report, each defined once.

A new figure is a line in `compare.figures`, and its name in one of the selections here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from tritonrepo.compare.agreement import Agreement, DifferingImage
from tritonrepo.compare.baseline import Change, Verdict
from tritonrepo.compare.figures import FIGURES, Figure
from tritonrepo.compare.judgement import Judgement
from tritonrepo.compare.marks import JudgedCell
from tritonrepo.compare.report import Report
from tritonrepo.compare.views.grid import Column, Grid, Part, Tone, grid
from tritonrepo.compare.views.words import (
    BRACKETS,
    UNKNOWN,
    figure_text,
    load_title,
    milliseconds,
    shared_words,
    short_load,
    short_names,
    signed,
)

SPEED = ("images_per_second", "p50_ms", "p90_ms", "p95_ms", "p99_ms")
TIME = (
    "average_ms",
    "standard_deviation_ms",
    "queue_ms",
    "compute_input_ms",
    "compute_infer_ms",
    "compute_output_ms",
    "client_cpu_cores",
    "server_memory_mib",
    "executed_batch_sizes",
)
SHORT = ("images_per_second", "p50_ms", "p95_ms", "p99_ms", "queue_ms", "compute_infer_ms")

_TONES: Mapping[Verdict, Tone] = {
    "no change": "faint",
    "better": "good",
    "worse": "bad",
    "worse, tolerated": "warning",
    "regression": "bad",
}


def speed_grid(report: Report, judgement: Judgement) -> Grid:
    """Throughput and latency of each cell, and what to think of it."""
    cost = Column[JudgedCell]("cost", lambda one: UNKNOWN if one.cost is None else f"{one.cost:.3g}", "of 1,000")
    columns = [*_figures(SPEED), *([cost] if judgement.criteria.price is not None else []), _MARKS]
    bracketed = any(not figure.supported(cell) for cell in report.cells if cell.measured for figure in FIGURES)
    legend = "latencies in ms; ± half of the 95% interval over the windows"
    return _cell_grid("Speed", legend, report, judgement.cells, columns, BRACKETS if bracketed else "")


def time_grid(report: Report, judgement: Judgement, figures: Sequence[str] = TIME) -> Grid:
    """Where a request's time goes, in each cell that was measured."""
    legend = "in ms; the client's CPU in cores, the server's memory in MiB, how often which batch size was executed"
    measured = [one for one in judgement.cells if one.cell.measured]
    return _cell_grid("Where a request's time goes", legend, report, measured, _figures(figures))


def short_grid(report: Report, judgement: Judgement) -> Grid:
    """The most important figures of each cell that was measured, with the models' whole names."""
    measured = [one for one in judgement.cells if one.cell.measured]
    names = {model: model for model in report.models_of_cells}
    return grid("", [*_setting_columns(report, names), *_figures(SHORT), _MARKS], measured)


def _cell_grid(
    title: str,
    legend: str,
    report: Report,
    cells: Sequence[JudgedCell],
    columns: Sequence[Column[JudgedCell]],
    note: str = "",
) -> Grid:
    names = short_names(report.models_of_cells)
    return grid(
        _titled(title, report.models_of_cells),
        [*_setting_columns(report, names), *columns],
        cells,
        legend,
        note,
        best=lambda one: one.best,
        group=lambda one: one.cell.setting.key[1:],
    )


def _titled(title: str, models: Sequence[str]) -> str:
    """With what all the models' names begin with, which the rows leave out."""
    shared = shared_words(models)
    return f"{title}, {shared}*" if shared else title


def _setting_columns(report: Report, names: Mapping[str, str]) -> list[Column[JudgedCell]]:
    return [
        Column("model", lambda one: names[one.cell.setting.model], words=True),
        Column("batch", lambda one: str(one.cell.setting.batch_size)),
        Column(load_title(report), lambda one: short_load(one.cell.setting)),
    ]


def _figures(names: Sequence[str]) -> list[Column[JudgedCell]]:
    by_name = {figure.name: figure for figure in FIGURES}
    return [
        Column(f.title, partial(_figure_text, f), f.unit, words=f.words, folds=f.words)
        for f in map(by_name.__getitem__, names)
    ]


def _figure_text(figure: Figure, one: JudgedCell) -> str:
    return figure_text(figure, one.cell)


_MARKS = Column[JudgedCell](
    "",
    lambda one: [*(Part(word, "good") for word in one.merits), *(Part(word, "bad") for word in one.complaints)],
    words=True,
    folds=True,
)


def agreement_grid(report: Report, judgement: Judgement) -> Grid:
    """How well each model agrees with the reference."""
    names = short_names([report.reference, *(one.model for one in report.agreements)])

    def verdict(one: Agreement) -> list[Part]:
        wrong = one.model in judgement.disagreeing
        return [Part("disagrees", "bad") if wrong else Part("agrees", "good")]

    columns = [
        Column[Agreement]("model", lambda one: names[one.model], words=True),
        Column[Agreement]("worst Δ probability", lambda one: f"{one.worst_difference:.1e}"),
        Column[Agreement]("mean", lambda one: f"{one.mean_difference:.1e}"),
        Column[Agreement]("top-1", lambda one: f"{one.top1:.1%}"),
        Column[Agreement]("top-5", lambda one: f"{one.top5:.1%}"),
        Column[Agreement]("images", lambda one: str(one.images)),
        Column[Agreement]("", verdict, words=True),
    ]
    return grid(f"Agreement with {report.reference}", columns, report.agreements)


def differing_grids(report: Report, most: int | None = None) -> Iterator[Grid]:
    """For each model the images to which it gives another first class, `most` of them."""
    columns = [
        Column[DifferingImage]("image", lambda image: image.image, words=True, folds=True),
        Column[DifferingImage]("reference", lambda i: report.class_name(i.reference_class), words=True, folds=True),
        Column[DifferingImage]("model", lambda i: report.class_name(i.model_class), words=True, folds=True),
        Column[DifferingImage]("Δ probability", lambda image: f"{image.difference:.1e}"),
    ]
    for one in report.agreements:
        if one.differing:
            more = f", the worst {most}" if most is not None and len(one.differing) > most else ""
            title = f"{one.model}: {len(one.differing)} of {one.images} images with another first class{more}"
            yield grid(title, columns, one.differing[:most])


def change_grid(changes: Sequence[Change]) -> Grid:
    """What became of each figure."""
    models = list(dict.fromkeys(change.setting.model for change in changes))
    names = short_names(models)
    columns = [
        Column[Change]("model", lambda change: names[change.setting.model], words=True),
        Column[Change]("batch", lambda change: str(change.setting.batch_size)),
        Column[Change]("load", lambda change: short_load(change.setting)),
        Column[Change]("figure", lambda change: change.metric),
        Column[Change]("before", lambda change: milliseconds(change.before)),
        Column[Change]("now", lambda change: milliseconds(change.after)),
        Column[Change]("change", lambda change: signed(change.relative)),
        Column[Change]("p", lambda change: f"{change.p_value:.2g}"),
        Column[Change]("", lambda change: [Part(change.verdict, _TONES[change.verdict])], words=True),
    ]
    legend = "means over the windows; p by Welch's test, adjusted by Holm's method for so many figures"
    return grid(_titled("Change since the baseline", models), columns, changes, legend)
