"""`tritonrepo plan` as its users meet it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.compare.capacity.cells import alone, open_cell, poisson, report, served
from tests.compare.reports import MACHINE, cell
from tritonrepo.cli.main import main
from tritonrepo.compare import write_report


@pytest.fixture
def run_file(tmp_path: Path) -> str:
    """10 ms for an image, alone."""
    write_report(report(alone(10)), tmp_path / "run.json")
    return str(tmp_path / "run.json")


def plan(*words: str) -> int:
    return main(["plan", *words])


def test_the_table(run_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(run_file, "--rate", "1000", "--p95-ms", "100", "--price-per-hour", "2") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "m 1 13 76.9 77%" in said
    assert "fp32 602,112 4.82 0.371" in said
    assert "requests come at random (Poisson)" in said
    assert said.endswith("Take 13 servers of m with requests of 1 image: 26.00 an hour, 7.22 for a million images.")
    assert plan(run_file, "--rate", "10", "--p95-ms", "100") == 0
    assert capsys.readouterr().out.endswith("Take 1 server of m with requests of 1 image.\n")


def test_no_figure_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "resnext101_32x4d_torchscript"
    write_report(report(alone(10, model=name), models=[served(name)]), tmp_path / "run.json")
    assert plan(str(tmp_path / "run.json"), "--rate", "1e9", "--p95-ms", "100", "--price-per-hour", "2") == 0
    said = capsys.readouterr().out
    assert "…" not in said
    assert said.startswith("1,000,000,000 images/s, 95 of 100")
    assert " 4,816,896 " in said  # Gbit/s
    assert " 25,000,000.00 " in said


def test_json(run_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(run_file, "--rate", "1000", "--p95-ms", "100", "--format", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["fleets"][0]["replicas"] == 13
    assert said["fleets"][0]["utilisation"] == pytest.approx(10 / 13)
    assert said["gigabits_per_second"]["uint8"] == pytest.approx(1.204, abs=1e-3)
    assert said["demand"]["rate"] == 1000


def test_what_cannot_be(run_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(run_file, "--rate", "1000", "--p95-ms", "5") == 1
    assert "No number of servers answers 95 of 100 requests within 5 ms. The least is 11" in capsys.readouterr().out


def test_measured_beside_predicted(run_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(poisson(open_cell(30, 10.0)), tmp_path / "open.json")
    assert plan(run_file, str(tmp_path / "open.json"), "--rate", "10", "--p95-ms", "100") == 0
    assert "30.0 30%" in " ".join(capsys.readouterr().out.split())


def test_words_that_are_wrong(run_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(str(tmp_path / "absent.json"), "--rate", "1", "--p95-ms", "1") == 2
    assert plan(run_file, "--rate", "inf", "--p95-ms", "1") == 2
    assert "a rate of inf: it must be more than 0" in capsys.readouterr().err
    assert plan(run_file, "--rate", "1e308", "--p95-ms", "100") == 2
    assert "a rate of 1e+308: it must be more than 0, and less than 1e+15" in capsys.readouterr().err
    assert plan(run_file, "--rate", "1", "--p95-ms", "100", "--price-per-hour", "nan") == 2
    assert "a price of nan an hour" in capsys.readouterr().err
    assert plan(run_file, "--rate", "9e14", "--p95-ms", "1e14", "--price-per-hour", "9e14") == 0
    (tmp_path / "empty.json").touch()
    assert plan(str(tmp_path / "empty.json"), "--rate", "1", "--p95-ms", "100") == 2
    assert "empty.json is not a report of `compare`: Expecting value" in capsys.readouterr().err
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert plan(str(tmp_path / "deep.json"), "--rate", "1", "--p95-ms", "1") == 2
    assert "deep.json is not a report of `compare`" in capsys.readouterr().err


def test_runs_of_two_machines(run_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(report(alone(5), machine=replace(MACHINE, cpu="Xeon")), tmp_path / "other.json")
    assert plan(run_file, str(tmp_path / "other.json"), "--rate", "10", "--p95-ms", "100") == 2
    assert "the runs are of two CPUs, EPYC <7> and Xeon: what they measured" in capsys.readouterr().err


def test_a_run_in_which_everything_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(report(cell("m", rates=(), error="gone")), tmp_path / "run.json")
    assert plan(str(tmp_path / "run.json"), "--rate", "10", "--p95-ms", "100") == 1
    said = capsys.readouterr().out
    assert "m is left out: no closed loop without failures was measured" in said
    assert said.endswith("Nothing can be predicted from these runs.\n")
