"""All views as files in one directory."""

from __future__ import annotations

from pathlib import Path

from tritonrepo.compare.judgement import Judgement
from tritonrepo.compare.report import Report
from tritonrepo.compare.storage import write_report
from tritonrepo.compare.views.page import page
from tritonrepo.compare.views.rows import csv_lines


def write_files(directory: str | Path, report: Report, judgement: Judgement, with_plots: bool = True) -> None:
    """Write compare.json, compare.csv, report.html, and the plots as PNG.

    Raises:
        MissingError: The plots need matplotlib, which is not installed.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_report(report, directory / "compare.json")
    (directory / "compare.csv").write_text("".join(f"{line}\n" for line in csv_lines(report)), encoding="utf-8")
    images: dict[str, bytes] = {}
    if with_plots:
        from tritonrepo.compare.views import plots

        figures = plots.draw(report, judgement)
        images = {name: plots.as_svg(figure, name) for name, figure in figures.items()}
        for name, figure in figures.items():
            plots.write_png(figure, directory / f"{name}.png")
    part = directory / "report.html.part"
    part.write_text(page(report, judgement, images), encoding="utf-8")
    part.replace(directory / "report.html")
