"""Downloads, against a real HTTP server on loopback that knows ranges, ETags and how to break off."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tritonrepo.client.errors import MissingError
from tritonrepo.export import ngc
from tritonrepo.export.errors import WeightsError

CONTENT = bytes(range(256)) * 20_000


class Origin(ThreadingHTTPServer):
    """Serves `content` at every path but /missing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag = '"1"'
        self.break_after: int | None = None
        self.ranges: list[str | None] = []
        self.kind = "application/octet-stream"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files/model.pth.tar"


class Handler(BaseHTTPRequestHandler):
    server: Origin

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        resumed = start > 0 and self.headers["If-Range"] == self.server.etag
        body = self.server.content[start if resumed else 0 :]
        self.send_response(206 if resumed else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.server.etag)
        self.send_header("Content-Type", self.server.kind)
        self.end_headers()
        self.wfile.write(body[: self.server.break_after])
        self.server.break_after = None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def quiet(done: int, total: int | None) -> None:
    assert total is None or done <= total


def test_a_download_is_cached_with_its_hash(origin: Origin, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = ngc.fetch(origin.url, tmp_path / "cache", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert ngc.fetch(origin.url, tmp_path / "cache", quiet) == path
    assert len(origin.ranges) == 1
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["model.pth.tar", "model.pth.tar.lock", "model.pth.tar.sha256"]


def test_an_interrupted_download_goes_on(origin: Origin, tmp_path: Path) -> None:
    origin.break_after = 3_000_000
    with pytest.raises(MissingError, match="3000000 of 5120000"):
        ngc.fetch(origin.url, tmp_path, quiet)
    assert not (tmp_path / "model.pth.tar").exists()
    assert ngc.fetch(origin.url, tmp_path, quiet).read_bytes() == CONTENT
    assert origin.ranges == [None, "bytes=3000000-"]


def test_a_file_that_changed_meanwhile_starts_again(origin: Origin, tmp_path: Path) -> None:
    origin.break_after = 1_000_000
    with pytest.raises(MissingError):
        ngc.fetch(origin.url, tmp_path, quiet)
    origin.content, origin.etag = CONTENT[::-1], '"2"'
    assert ngc.fetch(origin.url, tmp_path, quiet).read_bytes() == CONTENT[::-1]


def test_a_cached_file_that_changed_is_refused(origin: Origin, tmp_path: Path) -> None:
    path = ngc.fetch(origin.url, tmp_path, quiet)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="has changed"):
        ngc.fetch(origin.url, tmp_path, quiet)


def test_an_unreachable_server_is_missing_with_the_remedy(origin: Origin, tmp_path: Path) -> None:
    missing = origin.url.replace("/files/model.pth.tar", "/missing")
    with pytest.raises(MissingError, match="404") as caught:
        ngc.fetch(missing, tmp_path, quiet)
    assert "--weights PATH" in str(caught.value)
    with pytest.raises(MissingError, match="refused"):
        ngc.fetch("http://127.0.0.1:1/model.pth.tar", tmp_path, quiet)


def test_a_page_of_a_proxy_is_not_kept_as_the_file(origin: Origin, tmp_path: Path) -> None:
    origin.kind, origin.content = "text/html", b"<html>please log in</html>"
    with pytest.raises(MissingError, match="text/html, not a file"):
        ngc.fetch(origin.url, tmp_path, quiet)
    origin.kind, origin.content = "application/octet-stream", CONTENT
    assert ngc.fetch(origin.url, tmp_path, quiet).read_bytes() == CONTENT


def test_two_downloads_at_once_are_one(origin: Origin, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: ngc.fetch(origin.url, tmp_path, quiet), range(4)))
    assert len(origin.ranges) == 1
    assert {path.read_bytes() for path in paths} == {CONTENT}
