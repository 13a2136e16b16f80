"""Images that cannot be had: which fault is a row, which is tried again, and which ends the run."""

from __future__ import annotations

import io
import resource
import socket
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.fuzz.hostile import HostileServer, response, sending
from tritonrepo.batch.inputs import open_input
from tritonrepo.batch.outages import MOST_IN_A_ROW, TRIES, Outages
from tritonrepo.client.errors import ImageError, MissingError, UnreachableImageError

NOWHERE = "http://127.0.0.1:9"
"""Where nothing listens."""


def png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (32, 32)).save(data, "PNG")
    return data.getvalue()


PICTURE = response(png(), Content_Type="image/png")
BUSY = response(b"", "503 Busy")
GONE = response(b"", "404 Not Found")


def site(connection: socket.socket, head: bytes) -> None:
    """Pictures, but for what the path says otherwise."""
    path = head.split(b" ")[1]
    connection.sendall(GONE if b"gone" in path else BUSY if b"busy" in path else PICTURE)


def outcomes(web: Outages, urls: Sequence[str]) -> list[str]:
    """What becomes of each image, one after the other."""
    images, found = [web.image(url, url) for url in urls], []
    for image in images:
        web.advance()
        try:
            found.append(f"{image.load().width}")
        except (ImageError, MissingError) as exc:
            found.append(type(exc).__name__)
    return found


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outages, "pause", 0.001)


def test_what_the_server_does_not_have_is_a_row_however_often() -> None:
    with HostileServer(site) as server:
        urls = [f"http://{server.url}/gone/{number}.png" for number in range(30)]
        assert outcomes(Outages(30), urls) == ["ImageError"] * 30
        assert len(server.requests) == 30, "it is asked once for each"


@pytest.mark.parametrize(
    "answer",
    [
        BUSY,
        response(b"", "429 Too Many"),
        response(b"", "500 Oops"),
        b"",
        response(b"abc", Content_Length="1000", Content_Type="image/png"),
    ],
    ids=["503", "429", "500", "nothing", "half"],
)
def test_a_server_that_fails_ends_the_run(answer: bytes) -> None:
    with HostileServer(sending(answer)) as server:
        urls = [f"http://{server.url}/{number}.png" for number in range(MOST_IN_A_ROW + 5)]
        found = outcomes(Outages(100), urls)
        assert found == ["UnreachableImageError"] * (MOST_IN_A_ROW - 1) + ["MissingError"] * 6
        assert outcomes(Outages(100, lenient=True), urls) == ["UnreachableImageError"] * len(urls)


@pytest.mark.parametrize("place", [NOWHERE, "http://nobody.invalid"])
def test_a_network_that_is_down_ends_the_run_in_words_that_help(place: str) -> None:
    web = Outages(1)
    with pytest.raises(MissingError, match=r"1 images? in a row .*not fetched: .*--unreachable row") as caught:
        web.image("a", f"{place}/secret.png").load()
    assert place.removeprefix("http://") in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_fault_that_passes_at_once_costs_nothing() -> None:
    answers = [BUSY] * (TRIES - 1) + [PICTURE]
    with HostileServer(lambda connection, _: connection.sendall(answers.pop(0))) as server:
        assert outcomes(Outages(1), [f"http://{server.url}/a.png"]) == ["32"]


def test_a_server_that_asks_for_a_rest_gets_it() -> None:
    answers = [response(b"", "429 Too Many", Retry_After="1"), PICTURE]
    with HostileServer(lambda connection, _: connection.sendall(answers.pop(0))) as server:
        began = time.monotonic()
        assert outcomes(Outages(1), [f"http://{server.url}/a.png"]) == ["32"]
        assert time.monotonic() - began >= 1


def test_a_few_images_that_cannot_be_reached_among_others_are_rows() -> None:
    with HostileServer(site) as server:
        good, busy, gone = (f"http://{server.url}/{name}.png" for name in ("a", "busy", "gone"))
        few = [busy] * (MOST_IN_A_ROW - 1)
        urls = [*few, good, *few, gone, *few, good]
        found = outcomes(Outages(len(urls)), urls)
    rows = ["UnreachableImageError"] * len(few)
    assert found == [*rows, "32", *rows, "ImageError", *rows, "32"]


def test_an_outage_that_begins_with_a_shards_last_images_ends_the_run() -> None:
    """There are too few of them to tell, but an image that was had before fails now too."""
    with HostileServer(site) as server:
        good, busy = f"http://{server.url}/a.png", f"http://{server.url}/busy.png"
        assert outcomes(Outages(4), [good, good, busy, busy])[2:] == ["UnreachableImageError"] * 2
        web = Outages(4)
        assert outcomes(web, [good, good]) == ["32"] * 2
        server.script = sending(BUSY)
        assert outcomes(web, [good, good]) == ["UnreachableImageError", "MissingError"]


def test_a_table_of_addresses(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("".join(f"{line}\n" for line in ["image", *[f"{NOWHERE}/a.png"] * 3]))
    for lenient, last in ((False, MissingError), (True, UnreachableImageError)):
        given = open_input(f"{tmp_path}/list.csv", "image", lenient=lenient)
        sources = given.sources([row.name for row in given.rows(Counter())])
        for source, error in zip(sources, [UnreachableImageError] * 2 + [last], strict=True):
            with pytest.raises(error):
                source.load()


@pytest.mark.parametrize("kind", ["files", "table"])
def test_a_file_system_that_fails_ends_the_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process's own memory, the system cannot read the first byte: an error of input or output."""
    (tmp_path / "list.csv").write_text("image\n/proc/self/mem\n")
    monkeypatch.chdir("/proc/self")
    for lenient, error in ((False, MissingError), (True, UnreachableImageError)):
        word, column = ("mem", None) if kind == "files" else (f"{tmp_path}/list.csv", "image")
        given = open_input(word, column, lenient=lenient)
        (source,) = given.sources([row.name for row in given.rows(Counter())])
        with pytest.raises(error, match=r"mem.*: Input/output error"):
            source.read()


def test_want_of_descriptors_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    source = Outages(1).file("a.png", tmp_path / "a.png")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(MissingError, match="cannot be read: Too many open files"):
            source.load()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert source.load().width == 32


def test_a_file_that_is_not_there_is_a_row(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        Outages(1).file("a.png", tmp_path / "a.png").load()
