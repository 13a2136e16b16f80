"""The page in a real browser: it renders, asks nothing of the network, complains of nothing, and shows all it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import Page, chromium
from tests.compare.reports import cell, make_agreement, make_report
from tritonrepo.compare import Criteria, judge
from tritonrepo.compare.agreement import DifferingImage
from tritonrepo.compare.report import Report, ServedModel
from tritonrepo.compare.views import plots
from tritonrepo.compare.views.page import page

HOSTILE = "<script>fetch('http://example.invalid/')</script>.jpg"
# Whatever of a table's cells lies outside the window, or is not shown at all.
CUT = """
const shown = e => { const r = e.getBoundingClientRect(); return r.width && r.left >= 0 && r.right <= innerWidth; };
return [...document.querySelectorAll("td")]
    .filter(e => e.textContent.trim() && !e.closest("details") && !shown(e)).map(e => e.textContent);
"""
OVERFLOWING = """
return [...document.querySelectorAll("body *")]
    .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).overflowX != "visible")
    .map(e => e.outerHTML.slice(0, 80));
"""


def comparison() -> Report:
    return make_report(
        [
            cell(model, size, concurrency, (rate, rate * 1.01, rate * 0.99, rate, rate))
            for size in (1, 4, 8)
            for concurrency in (1, 2, 4)
            for model, rate in (("net_onnx", 10.0 / size), ("net_torchscript", 8.0 / size))
        ],
        agreements=(make_agreement("net_torchscript", 0.5, differing=(DifferingImage(HOSTILE, 1, 2, 0.4),)),),
        lost={"net_tensorrt": "not ready"},
        labels={1: "cat", 2: "<b>dog"},
        models=(ServedModel("net_onnx", trained=False, manifests={"1": {"note": "<i>\n'&"}}),),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report = comparison()
    judgement = judge(report, Criteria(500, price=2.0, max_regression=0.05), report)
    images = {name: plots.as_svg(figure, name) for name, figure in plots.draw(report, judgement).items()}
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(report, judgement, images))
    return path


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with chromium() as found:
        yield found


def test_the_page_needs_nothing_and_escapes_everything(written: Path) -> None:
    text = written.read_text()
    outside = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", text)
    assert outside
    assert all(url.startswith("data:") for url in outside)
    assert "default-src &#39;none&#39;; img-src data:; style-src &#39;unsafe-inline&#39;" in text
    assert "<script" not in text
    assert "&lt;script&gt;fetch" in text
    assert "<b>dog" not in text
    assert "<i>" not in text
    assert text.count("<img") == 3
    assert "take net_onnx" in text
    assert "net_tensorrt was not measured: not ready" in text
    assert "The weights of net_onnx are untrained" in text


def test_what_changed_comes_first_and_the_rest_is_folded() -> None:
    before = make_report([cell("net_onnx"), cell("net_torchscript")])
    after = make_report([cell("net_onnx"), cell("net_torchscript", rates=(5.0, 5.1, 4.9, 5.0, 5.0))])
    text = page(after, judge(after, Criteria(max_regression=0.05), before), {})
    assert "2 of 4 figures differ by more than chance." in text
    shown, folded = text.partition("Change since the baseline")[2].split("<details>")[:2]
    assert shown.count("<tr class") == shown.count("regression") == 2
    folded = folded.partition("</details>")[0]
    assert folded.count("<tr class") == 4
    assert folded.count("no change") == 2
    same = page(after, judge(after, Criteria(), after), {})
    assert "0 of 4 figures differ by more than chance." in same


def test_without_baseline_plots_and_agreements_their_sections_are_left_out() -> None:
    report = make_report([cell("m")])
    text = page(report, judge(report), {})
    assert "baseline" not in text
    assert "<figure" not in text
    assert "Agreement" not in text
    assert "What is wrong" not in text


def test_a_browser_renders_it_without_a_complaint_or_a_request(written: Path, tab: Page) -> None:
    tab.open(written)
    assert tab.run("return document.querySelector('h1').textContent") == "Backend comparison"
    loaded = "return [...document.images].map(i => i.complete && i.naturalWidth > 0)"
    assert tab.run(loaded) == [True] * 3
    assert tab.run("return document.querySelector('pre').textContent").count("\n") > 10
    assert tab.console() == []
    assert tab.requests() == []


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_column_is_cut_on_a_phone_a_tablet_and_a_desktop(written: Path, tab: Page, width: int) -> None:
    tab.open(written, width, 900)
    assert tab.run("return innerWidth") == width
    assert tab.run("return document.documentElement.scrollWidth <= innerWidth")
    assert tab.run(CUT) == []
    assert tab.run(OVERFLOWING) == []
    cost = shown(tab, "cost")
    assert len(cost) == 18
    assert all(cost)


def shown(tab: Page, title: str) -> list[Any]:
    """For each cell of a column the width that a reader sees of it."""
    script = f"return [...document.querySelectorAll('td[data-title^=\"{title}\"]')].map(e => e.clientWidth)"
    found: list[Any] = tab.run(script)
    return found


def test_a_phone_shows_each_figure_with_its_name(written: Path, tab: Page) -> None:
    """The head of the table is not shown there, so each figure carries its own."""
    tab.open(written, 390, 900)
    assert tab.run("return getComputedStyle(document.querySelector('thead')).display") == "none"
    label = "return getComputedStyle(document.querySelector('td[data-title=\"p95 ms\"]'), '::before').content"
    assert tab.run(label) == '"p95 ms"'
    tab.open(written, 1280, 900)
    assert tab.run("return getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
