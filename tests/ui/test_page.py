"""The page in Chromium, against the embedded Triton with models that see pictures otherwise."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import urllib3
from PIL import Image

from tests.chromium import Page, chromium
from tests.conftest import ShortLived, wait_until
from tests.live.releases import draw_pictures
from tests.ui.served import BRIGHT, DARK, Demo, running, write
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

MODELS = ["bright_onnx", "dark_onnx", "untrained_onnx"]
ROWS = "return document.querySelectorAll('.ui-picture').length"
# Of each picture: its name, its error, and for each model the name, the facts and the classes.
TOLD = """
const text = (e, s) => e.querySelector(s)?.innerText ?? '';
return [...document.querySelectorAll('.ui-picture')].map(p => ({
  name: text(p, '.tc-name'), error: text(p, '.tc-error'), verdict: text(p, '.ui-verdict'),
  image: p.querySelector('img')?.naturalWidth ?? 0,
  answers: [...p.querySelectorAll('.ui-answer')].map(a => ({
    model: a.dataset.model, facts: text(a, '.ui-facts'), error: text(a, '.tc-error'),
    differs: a.classList.contains('ui-differs'),
    labels: [...a.querySelectorAll('li span:first-of-type')].map(l => l.innerText)}))}))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    repository = tmp_path_factory.mktemp("page") / "models"
    write(repository, "bright_onnx", BRIGHT)
    write(repository, "dark_onnx", DARK)
    write(repository, "untrained_onnx", BRIGHT, trained=False)
    with ShortLived(repository) as found:
        yield found


@pytest.fixture(scope="module")
def demo(server: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    words = ("--url", server.http_url, "--protocol", "http", "--patience", "1")
    with running(tmp_path_factory.mktemp("work"), *words) as found:
        yield found


@pytest.fixture(scope="module")
def page(demo: Demo) -> Iterator[Page]:
    with chromium() as found:
        found.visit(demo.url)
        wait_until(lambda: found.run("return document.querySelectorAll('.ui-model').length") == len(MODELS))
        yield found


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_pictures(tmp_path_factory.mktemp("pictures"), 2)


def put(page: Page, *files: Path) -> list[dict[str, object]]:
    """Choose the files; what the page says of them once it has asked every model."""
    before = page.run(ROWS)
    page.choose(".q-uploader input[type=file]", files)
    return said_of_new(page, before, len(files))


def said_of_new(page: Page, before: int, count: int) -> list[dict[str, object]]:
    def done() -> bool:
        unfinished = "return [...document.querySelectorAll('.ui-picture')].filter("
        unfinished += "p => !p.querySelector('.tc-error, .ui-verdict')).length"
        return bool(page.run(ROWS) == before + count and page.run(unfinished) == 0)

    wait_until(done)
    told: list[dict[str, object]] = page.run(TOLD)[:count]
    return told


def test_two_pictures_are_shown_with_every_models_answer(page: Page, pictures: list[Path]) -> None:
    told = put(page, *pictures)
    assert [one["name"] for one in told] == [path.name for path in pictures]
    for one, path in zip(told, pictures, strict=True):
        expected = BRIGHT.expected(path)
        best = sorted(expected, key=lambda label: -expected[label])
        answers = one["answers"]
        assert isinstance(answers, list)
        assert [answer["model"] for answer in answers] == MODELS
        assert [answer["labels"] for answer in answers] == [best, best[::-1], best]
        assert [answer["differs"] for answer in answers] == [False, True, False]
        assert all(re.match(r"\d+\.\d ms", answer["facts"]) for answer in answers)
        assert ["untrained" in answer["facts"] for answer in answers] == [False, False, True]
        assert (one["verdict"], one["error"]) == ("1 of 3 models names another first class", "")
        assert one["image"] == 72
    assert page.run("return document.querySelector('.ui-warning').innerText") == (
        "The weights of untrained_onnx are untrained: its labels and probabilities mean nothing."
    )


NO_PICTURES = {
    "torn <b>.jpg": (b"no image", "not an image in a known format"),
    "empty.png": (b"", "empty file"),
    "drawing.svg": (b"<svg/>", "an SVG drawing, which is not read here; convert it to PNG or JPEG"),
}


def test_files_that_are_no_pictures_are_named_each(page: Page, pictures: list[Path], tmp_path: Path) -> None:
    for name, (content, _) in NO_PICTURES.items():
        (tmp_path / name).write_bytes(content)
    huge = tmp_path / "huge.png"
    Image.new("1", (10_000, 10_000)).save(huge)
    *broken, good = put(page, *(tmp_path / name for name in NO_PICTURES), huge, pictures[0])
    assert {one["name"]: one["error"] for one in broken} == {
        **{name: sentence for name, (_, sentence) in NO_PICTURES.items()},
        huge.name: "decompression bomb: 10000x10000 is 100,000,000 pixels, more than the 89,478,485 that are safe to "
        "decode",
    }
    assert all(one["answers"] == [] for one in broken)
    assert good["verdict"] == "1 of 3 models names another first class"


def test_a_picture_can_be_dropped(page: Page) -> None:
    before = page.run(ROWS)
    page.run("""
        const canvas = Object.assign(document.createElement('canvas'), {width: 50, height: 40});
        canvas.getContext('2d').fillRect(0, 0, 50, 20);
        const file = new File([Uint8Array.from(atob(canvas.toDataURL('image/png').split(',')[1]),
                                               c => c.charCodeAt(0))], 'dropped.png', {type: 'image/png'});
        const data = new DataTransfer();
        data.items.add(file);
        const fire = (where, what) => document.querySelector(where).dispatchEvent(
            new DragEvent(what, {dataTransfer: data, bubbles: true, cancelable: true}));
        fire('.q-uploader', 'dragover');
        requestAnimationFrame(() => setTimeout(() => fire('.q-uploader__dnd', 'drop'), 0));
    """)
    (one,) = said_of_new(page, before, 1)
    assert one["name"] == "dropped.png"
    assert one["error"] == ""


def test_a_server_that_is_gone_is_named_and_the_page_goes_on(
    page: Page, server: TritonServer, pictures: list[Path]
) -> None:
    gone = "const e = document.querySelector('.ui-gone'); return e.offsetParent ? e.innerText : ''"
    assert page.run(gone) == ""
    server.stop()
    try:
        (one,) = put(page, pictures[0])
        assert one["error"] == "no model could be asked"
        assert server.http_url.removeprefix("http://") in page.run(gone)
    finally:
        server.start()
    (one,) = put(page, pictures[0])
    assert one["verdict"] == "1 of 3 models names another first class"
    assert page.run(gone) == ""


def test_nothing_is_asked_of_any_other_host(page: Page, demo: Demo) -> None:
    asked = page.requests()
    assert asked
    assert [url for url in asked if not re.sub(r"^ws:", "http:", url).startswith(f"{demo.url}/")] == []
    connections = psutil.Process(demo.process.pid).net_connections("inet")
    assert {found.laddr.ip for found in connections} == {"127.0.0.1"}
    assert {found.raddr.ip for found in connections if found.raddr} == {"127.0.0.1"}
    listening = [found.laddr.port for found in connections if found.status == psutil.CONN_LISTEN]
    assert listening == [int(demo.url.rpartition(":")[2])]
    assert page.console() == []
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(Path(folder) / "demo-ui.png")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 200), ({"Host": "evil.example"}, 403), ({"Origin": "http://evil.example"}, 403)],
)
def test_another_sites_page_is_refused(demo: Demo, headers: dict[str, str], status: int) -> None:
    assert urllib3.request("GET", demo.url, headers=headers).status == status
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", **headers}
    socket = f"{demo.url}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    answer = urllib3.request("GET", socket, headers=upgrade, preload_content=False)
    assert answer.status == (101 if status == 200 else 403)
    answer.close()


def test_ctrl_c_ends_it_and_it_leaves_nothing(page: Page, demo: Demo) -> None:
    demo.process.send_signal(signal.SIGINT)
    said, _ = demo.process.communicate(timeout=30)
    assert (demo.process.returncode, said) == (0, "")
    assert list(demo.directory.iterdir()) == []
