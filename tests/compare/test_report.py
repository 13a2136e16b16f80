"""What is made of a run: JSON that can be read again, CSV, a README's section, plots."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import pytest

from tests.compare.reports import cell, make_agreement, make_report, window
from tritonrepo.cli.main import main
from tritonrepo.client.errors import UsageError
from tritonrepo.compare import plots
from tritonrepo.compare.agreement import DifferingImage
from tritonrepo.compare.cells import Cell, Growth, Setting
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.readme import BEGIN, END, replace_section, section
from tritonrepo.compare.report import Report, csv_lines, read_json, write_json
from tritonrepo.compare.words import short_names


@pytest.fixture
def report() -> Report:
    open_cell = Cell(
        Setting("m_a", 1, request_rate=100.0),
        tuple(window(50, 450, growth=Growth(math.nan, math.nan, 100, 50)) for _ in range(3)),
    )
    return make_report(
        [cell("m_a"), cell("m_b", rates=(20, 21, 20)), cell("m_b", 8, rates=(), error="gone"), open_cell],
        agreements=(make_agreement(differing=(DifferingImage("<a>.jpg", 1, 2, 0.4),)),),
        lost={"m_c": "not ready"},
        labels={1: "cat", 2: "dog"},
    )


def test_a_report_survives_its_json(report: Report, tmp_path: Path) -> None:
    write_json(report, tmp_path / "run.json")
    again = read_json(tmp_path / "run.json")
    assert again.cells[:3] == report.cells[:3]
    assert again.agreements == report.agreements
    assert math.isnan(again.cells[3].windows[0].growth.first_quarter)  # type: ignore[union-attr]
    write_json(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "run.json").read_text()


def test_the_json_is_strict_and_tells_everything(report: Report, tmp_path: Path) -> None:
    write_json(report, tmp_path / "run.json")
    found = json.loads((tmp_path / "run.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert found["machine"]["cpu"] == "EPYC <7>"
    assert found["server"]["version"] == "2.51.0"
    assert found["cells"][0]["summary"]["images_per_second"] == pytest.approx(10.0)
    assert len(found["cells"][1]["windows"]) == 3


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": 99}', '{"schema": 1, "cells": 3}'])
def test_what_is_no_report_is_refused(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="is not a report"):
        read_json(path)
    assert main(["report", str(path)]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_the_csv_has_a_row_for_each_cell(report: Report) -> None:
    rows = list(csv.DictReader(csv_lines(report.cells)))
    assert [row["model"] for row in rows] == ["m_a", "m_b", "m_b", "m_a"]
    assert float(rows[0]["p95_ms"]) == pytest.approx(100, rel=0.02)
    assert (rows[2]["error"], rows[2]["images_per_second"]) == ("gone", "")
    assert rows[3]["sustained"] == "False"


def test_the_readmes_section_is_replaced_between_its_marks(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"# Title\n{BEGIN}\nold\n{END}\nrest\n")
    replace_section(path, section(report, Criteria(), Path("runs/run.json")))
    text = path.read_text()
    assert text.startswith(f"# Title\n{BEGIN}\nMeasured on 2026-11-24 on EPYC <7>, 2 threads")
    assert text.endswith(f"{END}\nrest\n")
    assert "old" not in text
    assert "| `m_b` | 1 | 1 | 20.3 ± 1.4 |" in text
    assert "`python -m client report runs/run.json --readme README.md`" in text
    replace_section(path, section(report, Criteria(), Path("runs/run.json")))
    assert path.read_text() == text


def test_a_readme_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"{BEGIN} only")
    with pytest.raises(UsageError, match="has no lines"):
        replace_section(path, "text")
    assert path.read_text() == f"{BEGIN} only"


def test_names_lose_the_words_that_they_share() -> None:
    assert short_names(["resnet_50_onnx", "resnet_50_onnx_fp16"]) == {
        "resnet_50_onnx": "onnx",
        "resnet_50_onnx_fp16": "onnx_fp16",
    }
    assert short_names(["one"]) == {"one": "one"}
    assert short_names(["a_b", "c_b"]) == {"a_b": "a_b", "c_b": "c_b"}


def test_the_plots_are_drawn_the_same_each_time(report: Report, tmp_path: Path) -> None:
    first, second = (
        {name: plots.as_svg(figure, name) for name, figure in plots.draw(report, Criteria(50)).items()} for _ in "ab"
    )
    assert first == second
    assert set(first) == {"latency-throughput", "percentiles", "server-time"}
    assert all(b"<svg" in svg for svg in first.values())
    unsplit = [
        dataclasses.replace(c, windows=tuple(dataclasses.replace(w, split=None) for w in c.windows))
        for c in report.cells
    ]
    assert "server-time" not in plots.draw(dataclasses.replace(report, cells=tuple(unsplit)), Criteria())


def test_without_matplotlib_the_answer_is_the_pip_command(
    report: Report, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(report, tmp_path / "run.json")
    words = ["report", str(tmp_path / "run.json"), "--output", str(tmp_path / "out")]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(words) == 3
    assert "python -m pip install 'triton-repository-builder[report]'" in capfd.readouterr().err
    assert main([*words, "--no-plots"]) == 1
    assert not list((tmp_path / "out").glob("*.png"))
    assert "<img" not in (tmp_path / "out" / "report.html").read_text()
