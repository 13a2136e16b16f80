"""The gallery page and the notebook, as Chromium shows them: rendered, no console error, no request to anywhere."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.chromium import Page, chromium
from tritonrepo.client.contract import ModelContract, parse_contract
from tritonrepo.client.decode import Prediction
from tritonrepo.client.errors import UsageError
from tritonrepo.client.gallery import Gallery, card
from tritonrepo.client.pipeline import thumbnail
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.results import Result
from tritonrepo.serve.triton import TritonServer

ROOT = Path(__file__).parents[2]
HOSTILE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>\x1b[31m"&\n'


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as page:
        yield page


def contract(trained: str = "true") -> ModelContract:
    parameters = {"preprocessing": {"string_value": Preprocessing().to_json()}, "trained": {"string_value": trained}}
    return parse_contract(
        {
            "name": "net_onnx",
            "max_batch_size": 8,
            "input": [{"name": "INPUT__0", "data_type": "TYPE_FP32", "dims": [3, 224, 224]}],
            "output": [{"name": "OUTPUT__0", "data_type": "TYPE_FP32", "dims": [1000]}],
            "parameters": parameters,
        }
    )


@cache
def hue(number: int) -> bytes:
    return thumbnail(Image.new("HSV", (160, 100 + number), (number * 7 % 256, 140, 220)).convert("RGB"))


def result(number: int, image: str = "") -> Result:
    share = 0.5 + (number % 10) / 20
    predictions = (
        Prediction(1, "tabby, tabby cat", share, 9.0),
        Prediction(2, "a label that is far too long for any card and has to be cut", 1 - share, 3.0),
    )
    return Result(image or f"photographs/{number:04}.jpg", "net_onnx", "1", predictions, thumbnail=hue(number % 80))


def write(path: Path, results: list[Result], trained: str = "true") -> Path:
    with Gallery(path, contract(trained)) as gallery:
        for one in results:
            gallery.add(one)
    return path


def assert_quiet(page: Page) -> None:
    assert page.console() == []
    assert page.requests() == []


def test_four_images_and_an_error_are_shown(page: Page, tmp_path: Path) -> None:
    results = [*(result(number) for number in range(4)), Result("torn.jpg", "net_onnx", error="damaged image")]
    page.open(write(tmp_path / "out.html", results, trained="false"))
    assert page.run("return document.querySelectorAll('main article').length") == 5
    assert page.run("return [...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.run("return document.querySelector('.tc-error').textContent") == "damaged image"
    assert "untrained" in page.run("return document.querySelector('.warning').textContent")
    assert page.run("return document.querySelector('header p').textContent") == "5 images, 1 could not be classified"
    bar, line = page.run("const i = document.querySelector('li i'); return [i.offsetWidth, i.parentNode.offsetWidth]")
    assert bar / line == pytest.approx(0.5, abs=0.02)
    assert_quiet(page)


@pytest.mark.parametrize("width", [500, 1400])
def test_nothing_sticks_out(page: Page, tmp_path: Path, width: int) -> None:
    page.open(write(tmp_path / "out.html", [result(number) for number in range(12)]), width)
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert_quiet(page)


@pytest.mark.slow
def test_four_thousand_images_render_and_can_be_filtered(page: Page, tmp_path: Path) -> None:
    results = [result(number) for number in range(4000)]
    results[1234] = Result("the one that is torn.jpg", "net_onnx", error="damaged image")
    path = write(tmp_path / "out.html", results)
    assert path.stat().st_size < 20e6
    page.open(path)
    shown = "return [...document.querySelectorAll('main article')].filter(a => !a.hidden).length"
    assert page.run(shown) == 4000
    assert page.run("scrollTo(0, document.body.scrollHeight); return scrollY") > 100_000
    page.run("document.getElementById('failed').click()")
    assert page.run(shown) == 1
    page.run("document.getElementById('failed').click()")
    page.run("const w = document.getElementById('words'); w.value = '0042'; w.dispatchEvent(new Event('input'))")
    assert page.run(shown) == 1
    assert_quiet(page)


def test_hostile_names_and_labels_stay_text(page: Page, tmp_path: Path) -> None:
    bad = Result(HOSTILE, "net_onnx", "1", (Prediction(0, HOSTILE, 1.0, 1.0),))
    page.open(write(tmp_path / "out.html", [bad, Result("x", "net_onnx", error=HOSTILE), result(1, "caf\udce9.jpg")]))
    assert page.run("return document.title") == "net_onnx: 3 images, 1 could not be classified"
    assert page.run("return document.querySelectorAll('main script, main img[src=x]').length") == 0
    assert r"\n" in page.run("return document.querySelector('.tc-error').textContent")
    assert_quiet(page)


def test_an_exception_leaves_the_page_of_what_was_done(tmp_path: Path) -> None:
    path = tmp_path / "out.html"
    gallery = Gallery(path, contract())
    gallery.add(result(1))
    gallery.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "1 image<" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        Gallery(tmp_path / "missing" / "out.html", contract())


def test_a_thumbnail_is_small_whatever_the_image() -> None:
    for size in ((3000, 20), (1, 1), (300, 4000), (30000, 1)):
        with Image.open(io.BytesIO(thumbnail(Image.new("RGB", size)))) as small:
            assert max(small.size) <= 256
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (2000, 3000, 3), dtype=np.uint8))
    assert len(thumbnail(noise)) < 40_000


@pytest.mark.slow
@pytest.mark.live
def test_the_notebook_runs_and_shows_pictures_beside_predictions(
    page: Page, tiny_server: TritonServer, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", "--template", "basic"]
    environment = {**os.environ, "TRITON_URL": tiny_server.grpc_url, "PYTHONPATH": str(ROOT / "src")}
    environment |= {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "IPYTHONDIR": str(tmp_path / "ipython")}
    notebook = str(ROOT / "examples" / "classify.ipynb")
    done = subprocess.run(
        [*command, "--output-dir", str(tmp_path), notebook], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    page.open(tmp_path / "classify.html")
    assert page.run("return document.querySelectorAll('.tc-card').length") == 4
    assert page.run("return [...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.run("return document.querySelectorAll('.tc-card li').length") == 20
    beside = "const c = document.querySelector('.tc-card'); return c.children[0].offsetLeft + c.children[0].offsetWidth"
    assert page.run(f"{beside} <= c.children[1].offsetLeft")
    assert "untrained" in page.run("return document.body.textContent")
    assert_quiet(page)
    if folder := os.environ.get("SCREENSHOTS"):
        page.run("document.querySelector('.tc-card').scrollIntoView()")
        page.screenshot(Path(folder) / "notebook.png")


def test_several_classes_are_shown_as_such_and_none_is_said() -> None:
    both = replace(result(0), scores="independent")
    assert "each class by itself" in card(both)
    assert "no class reaches the threshold" in card(replace(both, predictions=()))
    assert "tc-note" not in card(result(0))
