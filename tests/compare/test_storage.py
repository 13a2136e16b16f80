"""Reports on disk: read back as they were, whatever is in them, and those of today's releases for ever."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.compare.reports import cell, everyday_report, make_report
from tritonrepo.client.errors import UsageError
from tritonrepo.compare import judge, read_report, write_report
from tritonrepo.compare.report import ServedModel

STORED = Path("benchmarks/results")


def test_a_report_survives_its_json(tmp_path: Path) -> None:
    report = everyday_report()
    write_report(report, tmp_path / "run.json")
    again = read_report(tmp_path / "run.json")
    assert again.cells[:3] == report.cells[:3]
    assert replace(again, cells=()) == replace(report, cells=())
    growth = again.cells[3].windows[0].growth
    assert growth is not None
    assert math.isnan(growth.first_quarter)
    write_report(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "run.json").read_text()
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_the_json_is_strict_and_tells_everything(tmp_path: Path) -> None:
    write_report(everyday_report(), tmp_path / "run.json")
    found = json.loads((tmp_path / "run.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert found["schema"] == 1
    assert found["machine"]["cpu"] == "EPYC <7>"
    assert found["server"]["version"] == "2.51.0"
    assert found["labels"] == {"1": "cat", "2": "dog"}
    first = found["cells"][0]
    assert (first["model"], first["batch_size"], first["concurrency"], first["request_rate"]) == ("m_a", 1, 1, None)
    assert first["summary"]["images_per_second"] == pytest.approx(10.0)
    assert first["windows"][0]["percentiles"] == {"50": 100.0, "90": 100.0, "95": 100.0, "99": 100.0}
    assert len(found["cells"][1]["windows"]) == 3
    assert found["cells"][2]["summary"] == {"requests": 0, "failures": 0, "stable": False, "usable": False}
    assert found["cells"][3]["windows"][0]["growth"]["first_quarter"] is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_that_json_does_not_have_is_written_wherever_it_stands(value: float, tmp_path: Path) -> None:
    model = ServedModel("m_a", weights={"deep": [value]}, manifests={"1": {"gate": value}})
    report = make_report([replace(cell("m_a"), stability=0.1)], models=(model,), duration=value)
    write_report(report, tmp_path / "run.json")
    again = read_report(tmp_path / "run.json")
    assert math.isnan(again.duration)
    assert again.models[0].weights == {"deep": [None]}
    assert again.models[0].manifests == {"1": {"gate": None}}


@pytest.mark.parametrize("name", ["compare.json", "baseline.json"])
def test_the_stored_runs_of_this_repository_are_read(name: str, tmp_path: Path) -> None:
    """They were written before the format had types."""
    report = read_report(STORED / name)
    assert (len(report.cells), len(report.agreements), report.engine) == (18, 1, "python")
    assert judge(report).choice.best is not None
    write_report(report, tmp_path / "again.json")
    old, new = (json.loads(path.read_text()) for path in (STORED / name, tmp_path / "again.json"))
    for found in (old, new):
        for one in found["cells"]:
            # Derived figures may move in their last digits.
            del one["summary"]
    assert new == old


def test_fields_that_a_later_release_adds_are_passed_over(tmp_path: Path) -> None:
    write_report(everyday_report(), tmp_path / "run.json")
    found = json.loads((tmp_path / "run.json").read_text())
    found["news"] = found["machine"]["news"] = found["cells"][0]["windows"][0]["news"] = 1
    (tmp_path / "run.json").write_text(json.dumps(found))
    assert read_report(tmp_path / "run.json").cells[0] == everyday_report().cells[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a report of `compare`"),
        pytest.param("[" * 100_000, "is not a report of `compare`", id="deep"),
        ("\x80", "is not a report of `compare`"),
        ("[]", r"is not a report of `compare` \(schema 1\)"),
        ('{"schema": 99}', r"is not a report of `compare` \(schema 1\)"),
        ('{"schema": 1}', "is not a report of `compare`: required field missing"),
        ('{"schema": 1, "cells": 3}', "is not a report of `compare`: "),
    ],
)
def test_what_is_no_report_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=message):
        read_report(path)


def test_the_place_of_a_wrong_figure_is_named(tmp_path: Path) -> None:
    write_report(everyday_report(), tmp_path / "run.json")
    found = json.loads((tmp_path / "run.json").read_text())
    found["cells"][1]["windows"][2]["requests"] = "many"
    (tmp_path / "run.json").write_text(json.dumps(found))
    with pytest.raises(UsageError, match=r"cells\[1\].*\[2\].*requests"):
        read_report(tmp_path / "run.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.json cannot be read: No such file"):
        read_report(tmp_path / "run.json")
