"""The report on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tritonrepo.client.text import printable
from tritonrepo.compare.baseline import Change
from tritonrepo.compare.cells import PERCENTILES, Cell
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.decision import cost_per_thousand, problems, sentences
from tritonrepo.compare.intervals import Interval
from tritonrepo.compare.report import Report, executed
from tritonrepo.compare.words import (
    BRACKETS,
    is_supported,
    load_title,
    marks,
    milliseconds,
    percentile_text,
    shared_words,
    short_load,
    short_names,
    with_limits,
)

_MOST_DIFFERING = 10


def tables(report: Report, criteria: Criteria) -> Iterator[RenderableType]:
    """Speed, where the time goes, agreement; then what is wrong, and what to take."""
    yield speed_table(report, criteria)
    yield time_table(report)
    if report.agreements:
        yield agreement_table(report, criteria)
    yield from differing_tables(report)
    for problem in problems(report, criteria):
        yield Text(f"- {printable(problem)}", style="red")
    yield Text(" ".join(sentences(report, criteria)), style="bold")


def speed_table(report: Report, criteria: Criteria) -> Table:
    columns = ["images/s", "p50 ms", "p90", "p95", "p99"] + (["cost/1,000"] if criteria.price is not None else [])
    table = _table("Speed (± half of the 95% interval over the windows)", report, columns)
    table.add_column("")
    if not all(is_supported(cell, percent) for cell in report.cells if cell.measured for percent in PERCENTILES):
        table.caption, table.caption_justify = BRACKETS, "left"
    said = marks(report, criteria)
    names = short_names(report.models_of_cells)
    for cell in report.cells:
        percentiles = [percentile_text(cell, percent) if cell.measured else "-" for percent in PERCENTILES]
        rate = with_limits(cell.images_per_second) if cell.measured else "-"
        cost = [] if criteria.price is None else [_cost(cell, criteria.price)]
        style = "bold green" if "best" in said[cell.setting] else None
        table.add_row(*_names(cell, names), rate, *percentiles, *cost, ", ".join(said[cell.setting]), style=style)
    return table


def _cost(cell: Cell, price: float) -> str:
    return f"{cost_per_thousand(cell, price):.3g}" if cell.measured else "-"


def time_table(report: Report) -> Table:
    columns = ["average", "std", "queue", "input", "infer", "output", "CPU", "MiB"]
    title = "Where a request's time goes, in ms; the client's CPU in cores, the server's memory, executed batch sizes"
    table = _table(title, report, columns, padding=0)
    table.add_column("executed")
    names = short_names(report.models_of_cells)
    for cell in report.cells:
        if cell.measured:
            split = cell.split
            parts = (
                (split.queue, split.compute_input, split.compute_infer, split.compute_output) if split else [None] * 4
            )
            table.add_row(
                *_names(cell, names),
                milliseconds(cell.average.mean),
                milliseconds(cell.standard_deviation),
                *map(milliseconds, parts),
                "-" if cell.client_cpu is None else f"{cell.client_cpu:.2f}",
                "-" if cell.server_memory is None else f"{cell.server_memory:,.0f}",
                executed(split),
            )
    return table


def _table(title: str, report: Report, columns: Iterable[str], padding: int = 1) -> Table:
    shared = printable(shared_words(report.models_of_cells))
    if shared:
        title = f"{shared}*. {title}"
    table = Table("model", title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, padding, 0, 0))
    load = "rate" if load_title(report.cells) == "requests/s" else "conc."
    for column in ("batch", load, *columns):
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _names(cell: Cell, names: Mapping[str, str]) -> tuple[str, str, str]:
    return printable(names[cell.setting.model]), str(cell.setting.batch_size), short_load(cell.setting)


def agreement_table(report: Report, criteria: Criteria) -> Table:
    names = short_names([report.reference, *(one.model for one in report.agreements)])
    title = f"Agreement with {printable(report.reference)}"
    table = Table("model", title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("worst Δ probability", "mean", "top-1", "top-5", "images", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for one in report.agreements:
        figures = (f"{one.worst_difference:.1e}", f"{one.mean_difference:.1e}", f"{one.top1:.1%}", f"{one.top5:.1%}")
        verdict = "agrees" if one.within(criteria.tolerance) else Text("disagrees", style="red")
        table.add_row(printable(names[one.model]), *figures, str(one.images), verdict)
    return table


def differing_tables(report: Report) -> Iterator[Table]:
    """The images to which a model gives another first class."""
    for one in report.agreements:
        if one.differing:
            more = f", the worst {_MOST_DIFFERING}" if len(one.differing) > _MOST_DIFFERING else ""
            title = f"{one.model}: {len(one.differing)} of {one.images} images with another first class{more}"
            table = Table("image", "reference", "model", title=printable(title), title_justify="left", box=SIMPLE_HEAD)
            table.add_column("Δ probability", justify="right")
            for image in one.differing[:_MOST_DIFFERING]:
                classes = (class_name(report, index) for index in (image.reference_class, image.model_class))
                table.add_row(printable(image.image), *map(printable, classes), f"{image.difference:.1e}")
            yield table


def class_name(report: Report, index: int) -> str:
    return report.labels.get(index, f"class {index}")


def change_table(changes: Iterable[Change], threshold: float | None) -> Table:
    """The changes since the baseline; without a threshold every significant one is coloured."""
    changes = list(changes)
    shared = shared_words(list(dict.fromkeys(change.setting.model for change in changes)))
    title = f"{printable(shared)}*. Change since the baseline" if shared else "Change since the baseline"
    table = Table("model", title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("batch", "load", "figure", "before", "now", "change", "p"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for change in changes:
        verdict, style = verdict_of(change, threshold)
        name, load = change.setting.model.removeprefix(shared), short_load(change.setting)
        table.add_row(
            *(printable(name), str(change.setting.batch_size), load, change.metric),
            *(milliseconds(change.before), milliseconds(change.after), signed(change.relative)),
            *(f"{change.p_value:.2g}", Text(verdict, style=style)),
        )
    return table


def verdict_of(change: Change, threshold: float | None) -> tuple[str, str]:
    """The word for a change, and its colour."""
    if not change.significant:
        return "no change", "dim"
    if change.better:
        return "better", "green"
    if threshold is None or change.is_regression(threshold):
        return "worse" if threshold is None else "regression", "red"
    return "worse, tolerated", "yellow"


def signed(relative: Interval) -> str:
    """`+3.1% ± 0.4%`, the half width of the 95% interval."""
    limits = "" if relative.half_width != relative.half_width else f" ± {relative.half_width:.1%}"
    return f"{relative.mean:+.1%}{limits}"
