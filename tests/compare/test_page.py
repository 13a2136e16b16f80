"""The page in a real browser: it renders, asks nothing of the network, complains of nothing, and fits a phone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.compare.reports import cell, make_agreement, make_report
from tests.programs import require
from tritonrepo.compare import plots
from tritonrepo.compare.agreement import DifferingImage
from tritonrepo.compare.baseline import changes
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.page import write_page

HOSTILE = "<script>fetch('http://example.invalid/')</script>.jpg"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report = make_report(
        [
            cell(model, size, concurrency, (rate, rate * 1.01, rate * 0.99, rate, rate))
            for size in (1, 4, 8)
            for concurrency in (1, 2, 4)
            for model, rate in (("net_onnx", 10.0 / size), ("net_torchscript", 8.0 / size))
        ],
        agreements=(make_agreement("net_torchscript", 0.5, differing=(DifferingImage(HOSTILE, 1, 2, 0.4),)),),
        lost={"net_tensorrt": "not ready"},
        labels={1: "cat", 2: "<b>dog"},
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    criteria = Criteria(500, price=2.0)
    images = {name: plots.as_svg(figure, name) for name, figure in plots.draw(report, criteria).items()}
    write_page(path, report, criteria, images, changes(report, report), 0.05)
    return path


def test_the_page_needs_nothing_and_escapes_everything(page: Path) -> None:
    text = page.read_text()
    outside = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", text)
    assert outside
    assert all(url.startswith("data:") for url in outside)
    assert "<script" not in text
    assert "&lt;script&gt;fetch" in text
    assert "<b>dog" not in text
    assert text.count("<img") == 3
    assert "take net_onnx" in text
    assert "net_tensorrt was not measured: not ready" in text


def test_what_changed_comes_first_and_the_rest_is_folded(tmp_path: Path) -> None:
    before = make_report([cell("net_onnx"), cell("net_torchscript")])
    after = make_report([cell("net_onnx"), cell("net_torchscript", rates=(5.0, 5.1, 4.9, 5.0, 5.0))])
    write_page(tmp_path / "page.html", after, Criteria(), {}, changes(before, after), 0.05)
    text = (tmp_path / "page.html").read_text()
    assert "2 of 4 figures differ by more than chance." in text
    shown, folded = text.partition("Change since the baseline")[2].split("<details>")[:2]
    assert shown.count("<tr class") == shown.count("regression") == 2
    folded = folded.partition("</details>")[0]
    assert folded.count("<tr class") == 4
    assert folded.count("no change") == 2


def browse(page: Path, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        require("chromium"),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
    ]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--log-level=0", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def test_a_browser_renders_it_without_a_complaint_or_a_request(page: Path, tmp_path: Path) -> None:
    log = tmp_path / "net.json"
    found = browse(page, tmp_path, "--dump-dom", f"--log-net-log={log}")
    assert "CONSOLE" not in found.stderr
    assert "<h1>Backend comparison</h1>" in found.stdout
    requests = set(re.findall(r'"url":"([^"]+)"', log.read_text()))
    assert not {url for url in requests if "example.invalid" in url}


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_phone_and_a_desktop(page: Path, tmp_path: Path, width: int) -> None:
    """Headless Chromium lays a narrow page out as a phone does; what stuck out to the right would be cut off."""
    shot = tmp_path / "shot.png"
    browse(page, tmp_path, f"--screenshot={shot}", f"--window-size={width},3000")
    with Image.open(shot) as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.shape[1] == width
    margin = pixels[:, -8:]
    assert (margin == 255).all()
    assert (pixels < 255).mean() > 0.03
