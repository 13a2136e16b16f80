"""Downloads, against a real HTTP server on loopback that knows how to break off."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.fuzz.hostile import HostileServer, response, sending, trickling
from tritonrepo.export import ngc
from tritonrepo.export.errors import DownloadError, WeightsError

CONTENT = bytes(range(256)) * 20_000


class Origin(ThreadingHTTPServer):
    """Serves `content` at every path but /missing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.break_after: int | None = None
        self.requests = 0
        self.kind = "application/octet-stream"
        self.announced = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files/model.pth.tar"


class Handler(BaseHTTPRequestHandler):
    server: Origin

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        self.server.requests += 1
        body = self.server.content
        self.send_response(200)
        if self.server.announced:
            self.send_header("Content-Length", str(len(body)))
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
    assert seen[0] == (1 << 20, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert max(done for done, _ in seen) == len(CONTENT)
    assert ngc.fetch(origin.url, tmp_path / "cache", quiet) == path
    assert origin.requests == 1
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["model.pth.tar", "model.pth.tar.lock", "model.pth.tar.sha256"]


def test_an_interrupted_download_starts_again(origin: Origin, tmp_path: Path) -> None:
    origin.break_after = 3_000_000
    with pytest.raises(DownloadError, match="3000000 bytes read, 2120000 more expected"):
        ngc.fetch(origin.url, tmp_path, quiet)
    assert not (tmp_path / "model.pth.tar").exists()
    assert ngc.fetch(origin.url, tmp_path, quiet).read_bytes() == CONTENT
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".lock", ".sha256", ".tar"]


def test_a_shorter_file_after_an_interruption_has_no_rest_of_the_first(origin: Origin, tmp_path: Path) -> None:
    origin.break_after = 3_000_000
    with pytest.raises(DownloadError):
        ngc.fetch(origin.url, tmp_path, quiet)
    origin.content = CONTENT[:1000]
    assert ngc.fetch(origin.url, tmp_path, quiet).read_bytes() == CONTENT[:1000]


def test_a_cached_file_that_changed_is_refused(origin: Origin, tmp_path: Path) -> None:
    path = ngc.fetch(origin.url, tmp_path, quiet)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="has changed"):
        ngc.fetch(origin.url, tmp_path, quiet)


def test_an_unreachable_server_is_missing_with_the_remedy(origin: Origin, tmp_path: Path) -> None:
    missing = origin.url.replace("/files/model.pth.tar", "/missing")
    with pytest.raises(DownloadError, match="HTTP status 404: Not Found") as caught:
        ngc.fetch(missing, tmp_path, quiet)
    assert "--weights PATH" in str(caught.value)
    assert caught.value.exit_status == 3
    with pytest.raises(DownloadError, match=r"model\.pth\.tar: not fetched: Connection refused\. Download"):
        ngc.fetch("http://127.0.0.1:1/model.pth.tar", tmp_path, quiet)


def test_a_proxy_of_the_environment_is_asked(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The origin stands for a proxy too: it answers for any host."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{origin.server_port}")
    assert ngc.fetch("http://nowhere.invalid/model.pth.tar", tmp_path, quiet).read_bytes() == CONTENT


def test_a_cache_that_cannot_be_made_is_missing_with_the_remedy(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DownloadError, match="File exists"):
        ngc.fetch(origin.url, tmp_path / "cache", quiet)


@pytest.mark.parametrize("page", [b"<html>please log in</html>", b"\n <!DOCTYPE html><title>Proxy</title>"])
def test_a_page_of_a_proxy_is_not_kept_as_the_file(origin: Origin, tmp_path: Path, page: bytes) -> None:
    origin.kind, origin.content = "text/html", page
    with pytest.raises(DownloadError, match="a web page, not a file"):
        ngc.fetch(origin.url, tmp_path, quiet)
    origin.kind, origin.content = "application/octet-stream", CONTENT
    assert ngc.fetch(origin.url, tmp_path, quiet).read_bytes() == CONTENT


@pytest.mark.parametrize("announced", [True, False])
def test_more_than_any_checkpoint_has_is_refused(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    origin.announced = announced
    monkeypatch.setattr(ngc, "LIMIT", len(CONTENT) - 1)
    with pytest.raises(DownloadError, match=r"more than the limit of 5,119,999"):
        ngc.fetch(origin.url, tmp_path, quiet)
    assert not (tmp_path / "model.pth.tar").exists()


def test_the_time_is_for_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then is no silence, and would go on for days."""
    monkeypatch.setattr(ngc, "DEADLINE_S", 0.5)
    with HostileServer(sending(b"")) as server:
        server.script = trickling(response(bytes(10_000)), lambda: server.stopped)
        begin = time.monotonic()
        with pytest.raises(DownloadError, match=r"not fetched within 0\.5 s"):
            ngc.fetch(f"http://{server.url}/model.pth.tar", tmp_path, quiet)
        assert time.monotonic() - begin < 3


def test_a_redirect_is_followed_and_not_inside(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HostileServer(sending(response(b"", "302 Found", Location=origin.url))) as server:
        path = ngc.fetch(f"http://{server.url}/model.pth.tar", tmp_path, quiet)
        assert path.read_bytes() == CONTENT
        # As a proxy it stands for a public host.
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"http://{server.url}")
        with pytest.raises(DownloadError, match=r"a redirect leads to 127\.0\.0\.1, which is not a public address"):
            ngc.fetch("http://weights.example/other.pth.tar", tmp_path, quiet)


def test_two_downloads_at_once_are_one(origin: Origin, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: ngc.fetch(origin.url, tmp_path, quiet), range(4)))
    assert origin.requests == 1
    assert {path.read_bytes() for path in paths} == {CONTENT}
