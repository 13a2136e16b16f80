"""A README's performance section, from a stored run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tritonrepo.client.errors import UsageError
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.decision import sentences
from tritonrepo.compare.page import method
from tritonrepo.compare.report import Report
from tritonrepo.compare.words import load_title, marks, milliseconds, percentile_text, short_load, with_limits

BEGIN, END = "<!-- performance: begin -->", "<!-- performance: end -->"


def replace_section(path: Path, section: str) -> None:
    """Put the section between the two marks. Raises UsageError if they are not there."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"{path} has no lines {BEGIN} and {END} for the section to go between")
    path.write_text(f"{before}{BEGIN}\n{section}\n{END}{after}", encoding="utf-8")


def section(report: Report, criteria: Criteria, source: Path) -> str:
    """Markdown: machine and date, what to take, the plot and the table, and how it was measured.

    `source`: the stored run, relative to the README; a plot that lies beside it is shown.
    """
    machine = report.machine
    gpus = "; ".join(machine["gpus"]) or "no GPU"
    facts = (
        f"Measured on {report.created[:10]} on {machine['cpu']}, {machine['threads']} threads, {machine['memory']} "
        f"GiB, {gpus}; Triton {report.server.get('version', '?')}, {report.engine} engine ({report.engine_version})."
    )
    untrained = " The weights are untrained: speed is as it is, labels mean nothing." if report.untrained else ""
    return "\n\n".join(
        [
            facts + untrained,
            " ".join(sentences(report, criteria)),
            *_plot(source),
            "\n".join(_table(report, criteria)),
            method(report),
            f"This section is generated: `python -m client report {source} --readme README.md`.",
        ]
    )


def _plot(source: Path) -> Iterator[str]:
    plot = source.with_name("latency-throughput.png")
    if plot.exists():
        yield f"![Latency against throughput]({plot.as_posix()})"


def _table(report: Report, criteria: Criteria) -> Iterator[str]:
    said = marks(report, criteria)
    load = load_title(report.cells)
    yield f"| model | batch | {load} | images/s | p50 ms | p95 ms | p99 ms | queue ms | infer ms | |"
    yield f"| --- {'| ---: ' * 8}| --- |"
    for cell in report.cells:
        if cell.measured:
            split = cell.split
            yield (
                "| "
                + " | ".join(
                    [
                        f"`{cell.setting.model}`",
                        str(cell.setting.batch_size),
                        short_load(cell.setting),
                        with_limits(cell.images_per_second),
                        *(percentile_text(cell, percent) for percent in (50, 95, 99)),
                        milliseconds(split.queue if split else None),
                        milliseconds(split.compute_infer if split else None),
                        ", ".join(said[cell.setting]),
                    ]
                )
                + " |"
            )
