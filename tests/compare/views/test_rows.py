"""The report as CSV."""

from __future__ import annotations

import csv

import pytest

from tests.compare.reports import everyday_report
from tests.compare.test_figures import NAMES
from tritonrepo.compare.views.rows import csv_lines


def test_a_row_for_each_cell() -> None:
    rows = list(csv.DictReader(csv_lines(everyday_report())))
    assert [row["model"] for row in rows] == ["m_a", "m_b", "m_b", "m_a"]
    assert float(rows[0]["p95_ms"]) == pytest.approx(100, rel=0.02)
    assert (rows[2]["error"], rows[2]["images_per_second"], rows[2]["windows"]) == ("gone", "", "0")
    assert (rows[3]["sustained"], rows[3]["first_quarter_ms"]) == ("False", "")


def test_the_columns_stay() -> None:
    head = next(csv_lines(everyday_report())).split(",")
    assert head == ["model", "batch_size", "concurrency", "request_rate", *NAMES, "windows", "error"]
