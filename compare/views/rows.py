"""The report as CSV: a row for each cell, in single figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from tritonrepo.client.records import csv_line
from tritonrepo.compare.figures import summary
from tritonrepo.compare.report import Report


def csv_lines(report: Report) -> Iterator[str]:
    """The head, then the cells; what is not known is empty."""
    rows = [
        {**asdict(cell.setting), **summary(cell), "windows": len(cell.windows), "error": cell.error}
        for cell in report.cells
    ]
    columns = list(dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row))
    yield csv_line(columns)
    for row in rows:
        values = (row.get(column) for column in columns)
        yield csv_line("" if value is None or value != value else value for value in values)
