"""The report's plots, by matplotlib: for the page as SVG, for a README as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command
from tritonrepo.compare.cells import PERCENTILES, Cell, Setting
from tritonrepo.compare.choice import BUDGET_PERCENTILE, tail
from tritonrepo.compare.judgement import Judgement
from tritonrepo.compare.report import Report
from tritonrepo.compare.views.words import load_title, short_load, short_names

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter
except ModuleNotFoundError as exc:
    raise MissingError(f"the plots need matplotlib: {install_command('compare')}. Without them: --no-plots") from exc

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which colour-blind people can tell apart too."""
PART_COLOURS = {"queue": "#CC79A7", "input": "#E69F00", "infer": "#0072B2", "output": "#56B4E9"}
PERCENTILE_SHADES = ("#9ecae1", "#6baed6", "#3182bd", "#08519c")
MARKERS = "osD^vP*X"
WIDTH = 4.4
"""Inches: as wide as a phone, so that the letters are legible there."""
PNG_DPI = 160
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "font.family": "sans-serif",
}
_CIRCLE: dict[str, Any] = {"linestyle": "none", "marker": "o", "markerfacecolor": "none", "color": "#444444"}


def draw(report: Report, judgement: Judgement) -> dict[str, Figure]:
    """The figures by name; none that would be empty."""
    with mpl.rc_context(_STYLE):
        figures = {"latency-throughput": _trade_off(report, judgement), "percentiles": _percentiles(report)}
        if any(cell.split for cell in report.cells):
            figures["server-time"] = _server_time(report)
    return figures


def as_svg(figure: Figure, name: str) -> bytes:
    """The same bytes for the same report."""
    buffer = io.BytesIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight", pad_inches=0.05)
    return buffer.getvalue()


def write_png(figure: Figure, path: Path) -> None:
    """Write it in a resolution for a README."""
    with mpl.rc_context(_STYLE):
        figure.savefig(path, dpi=PNG_DPI, bbox_inches="tight", pad_inches=0.05)


def _trade_off(report: Report, judgement: Judgement) -> Figure:
    """A line for each model and batch size, a point for each load; right and low is good."""
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.add_subplot()
    names = short_names(report.measured_models)
    sizes = sorted({cell.setting.batch_size for cell in report.cells})
    for number, model in enumerate(names):
        for size in sizes:
            cells = [c for c in report.cells_of(model) if c.measured and c.setting.batch_size == size]
            if cells:
                _line(axes, cells, COLOURS[number % len(COLOURS)], MARKERS[sizes.index(size) % len(MARKERS)])
    budget = judgement.criteria.latency_budget
    axes.plot(
        *_points(judgement.choice.front),
        linestyle="none",
        marker="o",
        markersize=13,
        markerfacecolor="none",
        color="#444444",
    )
    if budget is not None:
        axes.axhline(budget, color="#B00020", linestyle="--", linewidth=1)
    axes.set(xlabel="images/s", ylabel=f"p{BUDGET_PERCENTILE} latency, ms", yscale="log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(_some_minor_labels(axes)))
    _trade_off_legend(figure, axes, names, sizes, budget, load_title(report))
    return figure


def _some_minor_labels(axes: Axes) -> Callable[[float, object], str]:
    """Labels between the powers of ten, where the axis spans few of them."""

    def label(value: float, _: object) -> str:
        low, high = axes.get_ylim()
        digit = f"{value:e}"[0]
        return f"{value:g}" if high / low < 100 and digit in "235" else ""

    return label


def _points(cells: Sequence[Cell]) -> tuple[list[float], list[float]]:
    return [c.images_per_second.mean for c in cells], [tail(cell) for cell in cells]


def _line(axes: Axes, cells: Sequence[Cell], colour: str, marker: str) -> None:
    x, y = _points(cells)
    spread = [cell.images_per_second.half_width for cell in cells]
    spread = [0.0 if math.isnan(value) else value for value in spread]
    axes.errorbar(x, y, xerr=spread, color=colour, marker=marker, markersize=5, linewidth=1.2, elinewidth=0.8)
    for cell, place in zip(cells, zip(x, y, strict=True), strict=True):
        axes.annotate(
            short_load(cell.setting), place, textcoords="offset points", xytext=(6, 5), fontsize=7, color=colour
        )


def _trade_off_legend(
    figure: Figure, axes: Axes, names: dict[str, str], sizes: Sequence[int], budget: float | None, load: str
) -> None:
    for number, name in enumerate(names.values()):
        axes.plot([], [], color=COLOURS[number % len(COLOURS)], linewidth=2, label=name)
    for size in sizes:
        axes.plot([], [], color="#666666", linestyle="none", marker=MARKERS[sizes.index(size) % len(MARKERS)])
        axes.lines[-1].set_label(f"batch {size}")
    axes.plot([], [], **_CIRCLE, markersize=10)
    axes.lines[-1].set_label("Pareto front")
    if budget is not None:
        axes.plot([], [], color="#B00020", linestyle="--", linewidth=1, label=f"budget {budget:g} ms")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, title=f"numbers: {load}", title_fontsize=8)


def _percentiles(report: Report) -> Figure:
    """For each model a panel: groups by batch size, under the lightest load."""
    names = short_names(report.measured_models)
    load = min((cell.setting.key[2:] for cell in report.cells if cell.measured), default=(0, 0.0))
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    panels = figure.subplots(1, max(1, len(names)), sharey=True, squeeze=False)[0]
    for axes, (model, name) in zip(panels, names.items(), strict=False):
        cells = [cell for cell in report.cells_of(model) if cell.measured and cell.setting.key[2:] == load]
        _percentile_bars(axes, cells)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("batch size")
    panels[0].set_ylabel("latency, ms")
    # Error bars may reach below zero; latencies do not. The axis is shared, so its scale is only known now.
    panels[0].set_ylim(bottom=0)
    handles, labels = panels[0].get_legend_handles_labels()
    words = f"{load[1]:g} requests/s" if load[1] else f"concurrency {load[0]}"
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, title=words, title_fontsize=8)
    return figure


def _percentile_bars(axes: Axes, cells: Sequence[Cell]) -> None:
    width = 0.8 / len(PERCENTILES)
    for number, (percent, shade) in enumerate(zip(PERCENTILES, PERCENTILE_SHADES, strict=True)):
        values = [cell.percentile(percent) for cell in cells]
        errors = [value.half_width if value.known else 0.0 for value in values]
        places = [index + (number - (len(PERCENTILES) - 1) / 2) * width for index in range(len(cells))]
        axes.bar(
            places,
            [value.mean for value in values],
            width,
            yerr=errors,
            color=shade,
            error_kw={"elinewidth": 0.7, "ecolor": "#555555"},
            label=f"p{percent}",
        )
    axes.set_xticks(range(len(cells)), [str(cell.setting.batch_size) for cell in cells])
    axes.grid(False, axis="x")


def _server_time(report: Report) -> Figure:
    """A stacked bar for each cell, the models of one load next to each other."""
    names = short_names(report.measured_models)
    cells = [cell for cell in report.cells if cell.split]
    figure = Figure(figsize=(WIDTH, 1.1 + 0.2 * len(cells)), layout="constrained")
    axes = figure.add_subplot()
    left = [0.0] * len(cells)
    for part, colour in PART_COLOURS.items():
        values = [_part(cell, part) for cell in cells]
        axes.barh(range(len(cells)), values, left=left, color=colour, label=part, height=0.75)
        left = [start + value for start, value in zip(left, values, strict=True)]
    axes.set_yticks(range(len(cells)), [_bar_name(names, cell.setting) for cell in cells], fontsize=8)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlabel("average of a request, ms")
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _part(cell: Cell, part: str) -> float:
    assert cell.split is not None
    return float(getattr(cell.split, part if part == "queue" else f"compute_{part}"))


def _bar_name(names: dict[str, str], setting: Setting) -> str:
    load = short_load(setting) if setting.request_rate is not None else f"c{setting.concurrency}"
    return f"{names[setting.model]} b{setting.batch_size} {load}"
