"""The plots."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from PIL import Image

from tests.compare.reports import everyday_report, make_report
from tests.compare.test_choice import CELLS
from tritonrepo.compare import Criteria, Report, judge
from tritonrepo.compare.views import plots


def svgs(report: Report, criteria: Criteria) -> dict[str, bytes]:
    return {name: plots.as_svg(figure, name) for name, figure in plots.draw(report, judge(report, criteria)).items()}


def test_the_plots_are_drawn_the_same_each_time() -> None:
    first, second = (svgs(everyday_report(), Criteria(50)) for _ in "ab")
    assert first == second
    assert set(first) == {"latency-throughput", "percentiles", "server-time"}
    assert all(b"<svg" in svg for svg in first.values())


def test_without_the_servers_account_that_plot_is_left_out() -> None:
    report = everyday_report()
    unsplit = [
        dataclasses.replace(c, windows=tuple(dataclasses.replace(w, split=None) for w in c.windows))
        for c in report.cells
    ]
    assert "server-time" not in svgs(dataclasses.replace(report, cells=tuple(unsplit)), Criteria())


def test_the_circles_are_the_judgements_front() -> None:
    """Under the budget one cell is left of the two that no other beats."""
    report = make_report(CELLS)
    for budget, front in ((None, 2), (150.0, 1)):
        axes = plots.draw(report, judge(report, Criteria(budget)))["latency-throughput"].axes[0]
        (circles,) = [line for line in axes.lines if line.get_markersize() == 13]
        assert len(circles.get_xdata()) == front  # type: ignore[arg-type]


def test_a_png_is_written(tmp_path: Path) -> None:
    figure = plots.draw(everyday_report(), judge(everyday_report()))["percentiles"]
    plots.write_png(figure, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.width > 500
