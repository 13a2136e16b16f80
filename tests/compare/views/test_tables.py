"""The report on a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from tests.compare.reports import cell, everyday_report, make_agreement, make_report
from tests.compare.test_choice import CELLS
from tritonrepo.compare import Criteria, Judgement, Report, judge
from tritonrepo.compare.report import ServedModel
from tritonrepo.compare.views.tables import tables


def printed(report: Report, judgement: Judgement, width: int = 100) -> str:
    stream = StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    for table in tables(report, judgement):
        console.print(table)
    return stream.getvalue()


def test_the_order_is_speed_time_agreement_problems_and_what_to_take() -> None:
    text = printed(everyday_report(), judge(everyday_report()))
    places = [text.index(words) for words in ("Speed, m_*", "Where a request's time goes", "Agreement with m_a")]
    places += [text.index(words) for words in ("images with another first class", "- m_c was not measured", "Take m_b")]
    assert places == sorted(places)


def test_every_column_fits_the_width_of_a_pipe() -> None:
    """With long names, a price, and all that can be said of a cell."""
    unstable = cell("resnext101_32x4d_torchscript", 8, 4, (100.0, 121.5, 140.25, 160.0), latency=12345.6)
    report = make_report([cell("resnext101_32x4d_onnx", 8, 4), unstable])
    lines = printed(report, judge(report, Criteria(500, price=2))).splitlines()
    assert max(map(len, lines)) <= 100
    (head,) = [line for line in lines if "cost" in line]
    assert head.split() == ["model", "batch", "conc.", "images/s", "p50", "p90", "p95", "p99", "cost"]
    assert not any("…" in line for line in lines)
    (row,) = [line for line in lines if line.startswith(" torchscript") and "±" in line]
    assert row.split()[3:] == ["1,043.5", "±", "326.7", *["12,345.6"] * 4, "0.000532", "unstable,", "too"]


def test_the_regressions_and_the_caveats_are_named() -> None:
    old = make_report([cell("m_a")], engine="perf_analyzer")
    new = make_report([cell("m_a", rates=(5.0, 5.1, 4.9, 5.0, 5.0))])
    text = printed(new, judge(new, Criteria(max_regression=0.05), old))
    assert text.startswith("The baseline has another engine: perf_analyzer, now python.\nChange since the baseline")
    assert "- m_a, batch 1, concurrency 1: images/s -50.0% ± 1.0%, a regression" in text


def test_names_are_shown_as_they_are() -> None:
    """A name may hold what rich would take for markup or an emoji, and control characters."""
    report = make_report(
        [cell("m_[red]:boom:"), cell("m_b")],
        agreements=(make_agreement(),),
        lost={"m_\x1b[31m": "no"},
        models=(ServedModel("m_[red]:boom:", trained=False),),
    )
    text = printed(report, judge(report))
    assert "[red]:boom: " in text
    assert "The weights of m_[red]:boom: are untrained" in text
    assert "- m_\\x1b[31m was not measured: no" in text
    assert "\x1b" not in text


def test_without_agreements_and_baseline_their_tables_are_left_out() -> None:
    text = printed(make_report(CELLS), judge(make_report(CELLS)))
    assert "Agreement" not in text
    assert "baseline" not in text
