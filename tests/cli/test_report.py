"""`tritonrepo report`: a stored run, judged and shown again."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compare.reports import cell, everyday_report, make_report
from tritonrepo.cli.main import main
from tritonrepo.compare import write_report
from tritonrepo.compare.views.readme import PERFORMANCE, marks


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run with problems."""
    write_report(everyday_report(), tmp_path / "run.json")
    return tmp_path / "run.json"


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A run without."""
    write_report(make_report([cell("m_a"), cell("m_b", rates=(12, 12.1, 12))]), tmp_path / "clean.json")
    return tmp_path / "clean.json"


def test_the_status_says_whether_anything_is_wrong(
    stored: Path, clean: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(stored)]) == 1
    assert "- m_c was not measured: not ready" in capfd.readouterr().out
    assert main(["report", str(clean)]) == 0
    assert "Take m_b with batch size 1" in capfd.readouterr().out
    assert main(["report", str(clean), "--latency-budget-ms", "90"]) == 1
    assert "- m_a keeps no configuration within 90 ms" in capfd.readouterr().out


def test_an_interrupted_run_has_the_status_of_an_interruption(tmp_path: Path) -> None:
    write_report(make_report([cell("m_a")], interrupted=True), tmp_path / "run.json")
    assert main(["report", str(tmp_path / "run.json")]) == 130


def test_a_regression_is_status_1(clean: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_report(make_report([cell("m_a"), cell("m_b", rates=(6, 6.1, 6))]), tmp_path / "slower.json")
    words = ["report", str(tmp_path / "slower.json"), "--baseline", str(clean)]
    assert main([*words, "--max-slowdown", "inf"]) == 0
    assert main([*words, "--max-slowdown", "inf", "--fail-on-regression", "5%"]) == 1
    assert "a regression" in capfd.readouterr().out


def test_the_other_formats(stored: Path, capfd: pytest.CaptureFixture[str]) -> None:
    main(["report", str(stored), "--format", "json"])
    assert json.loads(capfd.readouterr().out) == json.loads(stored.read_text())
    main(["report", str(stored), "--format", "csv"])
    assert [row["model"] for row in csv.DictReader(capfd.readouterr().out.splitlines())] == ["m_a", "m_b", "m_b", "m_a"]


def test_the_files(stored: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "folder"
    main(["report", str(stored), "--output", str(output)])
    assert sorted(path.name for path in output.iterdir()) == [
        *("compare.csv", "compare.json", "latency-throughput.png", "percentiles.png", "report.html", "server-time.png")
    ]
    assert (output / "compare.json").read_text() == stored.read_text()
    assert len((output / "compare.csv").read_text().splitlines()) == 5
    assert (output / "report.html").read_text().count("<img") == 3
    assert f"Written to {output}" in capfd.readouterr().out.replace("\n", "")


def test_the_readme(clean: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(marks(PERFORMANCE)) + "\n")
    assert main(["report", str(clean), "--readme", str(readme)]) == 0
    assert "| `m_b` | 1 | 1 |" in readme.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--latency-budget-ms", "0"], "a latency budget of 0 ms: it must be more than 0"),
        (["--latency-budget-ms", "nan"], "a latency budget of nan ms"),
        (["--price-per-hour", "-1"], "a price of -1 an hour"),
        (["--tolerance", "-0.1"], "a tolerance of -0.1"),
        (["--max-slowdown", "0"], "a slowdown of 0 at most"),
        (["--fail-on-regression", "5%"], "--fail-on-regression needs a --baseline"),
        (["--baseline", "nowhere.json"], "nowhere.json cannot be read"),
        (["--readme", "nowhere.md"], "nowhere.md cannot be read"),
    ],
)
def test_wrong_words(clean: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(clean), *words]) == 2
    assert message in capfd.readouterr().err


def test_what_is_no_report(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert main(["report", str(tmp_path / "run.json")]) == 2
    assert "is not a report of `compare`" in capfd.readouterr().err


def without(packages: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    """`tritonrepo WORDS` in a Python that does not find these packages."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({packages}))"
    script = f"{hide}; from tritonrepo.cli.main import main; sys.exit(main({list(words)}))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


@pytest.mark.parametrize("package", ["scipy", "cattrs"])
def test_without_a_package_of_the_extra_the_answer_is_the_pip_command(clean: Path, package: str) -> None:
    done = without([package], "report", str(clean))
    assert done.returncode == 3
    assert f"the package {package} is not installed: pip install" in done.stderr
    assert "[compare]" in done.stderr


def test_the_words_are_told_without_the_extra() -> None:
    done = without(["scipy", "cattrs", "psutil", "matplotlib"], "report", "--help")
    assert (done.returncode, "--latency-budget-ms" in done.stdout) == (0, True)


def test_without_matplotlib_there_are_no_plots(clean: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    words = ["report", str(clean), "--output", str(output)]
    done = without(["matplotlib"], *words)
    assert done.returncode == 3
    assert "the plots need matplotlib: pip install" in done.stderr
    assert "Without them: --no-plots" in done.stderr
    assert not output.exists()
    assert without(["matplotlib"], *words, "--no-plots").returncode == 0
    assert not list(output.glob("*.png"))
    assert "<img" not in (output / "report.html").read_text()
