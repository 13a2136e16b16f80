"""A README's performance section."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compare.reports import everyday_report, make_report
from tests.compare.test_choice import CELLS
from tritonrepo.client.errors import UsageError
from tritonrepo.compare import judge
from tritonrepo.compare.views.readme import PERFORMANCE, marks, replace_section, section

BEGIN, END = marks(PERFORMANCE)


def test_the_section_is_replaced_between_its_marks(tmp_path: Path) -> None:
    report = everyday_report()
    path = tmp_path / "README.md"
    path.write_text(f"# Title\n{BEGIN}\nold\n{END}\nrest\n")
    replace_section(path, section(report, judge(report), Path("runs/run.json"), path))
    text = path.read_text()
    assert text.startswith(f"# Title\n{BEGIN}\nMeasured on 2026-11-24 on EPYC <7>, 2 threads")
    assert text.endswith(f"{END}\nrest\n")
    assert "old" not in text
    assert f"`tritonrepo report runs/run.json --readme {path}`" in text
    replace_section(path, section(report, judge(report), Path("runs/run.json"), path))
    assert path.read_text() == text


def test_the_table_has_whole_names_and_the_judgements_marks() -> None:
    report = make_report(CELLS)
    lines = section(report, judge(report), Path("run.json"), Path("README.md")).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| model"))
    assert lines[start : start + 4] == [
        "| model | batch | concurrency | images/s | p50 ms | p95 ms | p99 ms | queue ms | infer ms |  |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        "| `m_a` | 1 | 1 | 10.0 ± 0.0 | 100.0 | 100.0 | (100.0) | 10.0 | 80.0 |  |",
        "| `m_b` | 1 | 1 | 20.0 ± 0.1 | 50.0 | 50.0 | 50.0 | 4.99 | 39.9 | Pareto |",
    ]
    assert lines[start + 5].endswith("| best, Pareto |")


@pytest.mark.parametrize(
    ("document", "link"),
    [("README.md", "runs/latency-throughput.png"), ("docs/p.md", "../runs/latency-throughput.png")],
)
def test_a_plot_that_lies_beside_the_run_is_linked_from_where_the_document_is(
    tmp_path: Path, document: str, link: str
) -> None:
    report = make_report(CELLS)
    source = tmp_path / "runs" / "run.json"
    assert "![" not in section(report, judge(report), source, tmp_path / document)
    source.parent.mkdir()
    source.with_name("latency-throughput.png").touch()
    found = section(report, judge(report), source, tmp_path / document)
    assert f"![Latency against throughput]({link})" in found


def test_a_readme_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"{BEGIN} only")
    with pytest.raises(UsageError, match="has no lines"):
        replace_section(path, "text")
    assert path.read_text() == f"{BEGIN} only"
    with pytest.raises(UsageError, match="cannot be read"):
        replace_section(tmp_path / "none.md", "text")
