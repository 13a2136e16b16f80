"""The performance section of a README or another document, from a stored run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tritonrepo.client.errors import UsageError
from tritonrepo.compare.judgement import Judgement
from tritonrepo.compare.report import Report
from tritonrepo.compare.views.grid import Grid
from tritonrepo.compare.views.grids import short_grid
from tritonrepo.compare.views.words import method

PERFORMANCE = "performance"
"""What the marks around a comparison's section are called."""


def marks(name: str) -> tuple[str, str]:
    """The lines between which a section of this name goes."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def replace_section(path: Path, section: str, name: str = PERFORMANCE) -> None:
    """Put the section between its two marks.

    Args:
        path: The document.
        section: Markdown.
        name: Of the marks.

    Raises:
        UsageError: The file cannot be read, or the marks are not there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc
    first, last = marks(name)
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise UsageError(f"{path} has no lines {first} and {last} for the section to go between")
    path.write_text(f"{before}{first}\n{section}\n{last}{after}", encoding="utf-8")


def section(report: Report, judgement: Judgement, source: Path, document: Path) -> str:
    """Markdown: machine and date, what to take, the plot and the table, and how it was measured.

    Args:
        report: The run.
        judgement: What it says.
        source: Where the run is stored; a plot that lies beside it is shown.
        document: The file that the section is for, from which the plot is linked.
    """
    return "\n\n".join(
        [
            _facts(report),
            " ".join(judgement.sentences),
            *_plot(source, document),
            "\n".join(_table(short_grid(report, judgement))),
            method(report),
            f"This section is generated: `tritonrepo report {source} --readme {document}`.",
        ]
    )


def _facts(report: Report) -> str:
    machine = report.machine
    gpus = "; ".join(machine.gpus) or "no GPU"
    untrained = " The weights are untrained: speed is as it is, labels mean nothing." if report.untrained else ""
    return (
        f"Measured on {report.created[:10]} on {machine.cpu}, {machine.threads} threads, {machine.memory} GiB, {gpus}; "
        f"Triton {report.server.version or '?'}, {report.engine} engine ({report.engine_version}).{untrained}"
    )


def _plot(source: Path, document: Path) -> Iterator[str]:
    plot = source.with_name("latency-throughput.png")
    if plot.exists():
        link = Path(os.path.relpath(plot, document.parent)).as_posix()
        yield f"![Latency against throughput]({link})"


def _table(grid: Grid) -> Iterator[str]:
    """The first column holds names, which are code."""
    yield _line(head.heading for head in grid.columns)
    yield _line("---" if head.words else "---:" for head in grid.columns)
    for row in grid.rows:
        name, *texts = row.texts
        yield _line([f"`{name}`", *texts])


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"
