"""The client when things go wrong: real servers that die, real processes that are interrupted, real bad networks."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ShortLived, heed_interrupts
from tests.serve.watched import supervised
from tritonrepo.cli.main import main
from tritonrepo.client import fetch as fetch_module
from tritonrepo.client.classifier import Classifier
from tritonrepo.client.errors import ImageError, TritonRepoError
from tritonrepo.client.fetch import fetch
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live
COUNT = 250
DEADLINE = 60.0


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(directory / f"{number:03}.png")
    return directory


@pytest.fixture(scope="module")
def undisturbed(tiny_server: TritonServer, photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a run without trouble gives; one image a request, so that the order of work cannot matter."""
    path = tmp_path_factory.mktemp("undisturbed") / "results.jsonl"
    words = ["classify", str(photographs), "--url", tiny_server.grpc_url, "--batch-size", "1", "--resume", str(path)]
    assert main(words) == 0
    return path.read_text().splitlines()


@pytest.fixture(scope="module")
def healing_server(tiny_onnx_repository: Path) -> Iterator[TritonServer]:
    """For clients that give requests up, at which a Triton before 25.04 may crash: it is started again then."""
    with ShortLived(tiny_onnx_repository, shared_memory=True) as server, supervised(server):
        yield server


def command(photographs: Path, results: Path, url: str, *words: str) -> list[str]:
    """Asks for one image after the other, so that there is time to interfere."""
    alone = ["--batch-size", "1", "--concurrency", "1", "--model", "tiny_onnx"]
    return ["classify", str(photographs), "--url", url, "--resume", str(results), *alone, *words]


def start(photographs: Path, results: Path, url: str, *words: str) -> subprocess.Popen[str]:
    """A client process."""
    python = [sys.executable, "-m", "tritonrepo", *command(photographs, results, url, *words)]
    return subprocess.Popen(python, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.005)


def wait_for_lines(path: Path, count: int) -> None:
    until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=DEADLINE)
    assert "Traceback" not in errors
    return process.returncode, errors


@pytest.mark.slow
def test_a_server_that_is_killed_and_restarted_costs_no_result(
    tiny_onnx_repository: Path, photographs: Path, undisturbed: list[str], tmp_path: Path
) -> None:
    results = tmp_path / "results.jsonl"
    with ShortLived(tiny_onnx_repository) as first:
        ports = first.http_port, first.grpc_port, first.metrics_port
        process = start(photographs, results, first.grpc_url)
        wait_for_lines(results, 50)
        os.kill(first.pid, signal.SIGKILL)
    assert process.poll() is None
    with ShortLived(tiny_onnx_repository, *ports):
        status, errors = finish(process)
    assert status == 0, errors
    assert results.read_text().splitlines() == undisturbed


@pytest.mark.slow
def test_one_of_two_servers_may_die_unnoticed(
    tiny_server: TritonServer, tiny_onnx_repository: Path, photographs: Path, undisturbed: list[str], tmp_path: Path
) -> None:
    results = tmp_path / "results.jsonl"
    with ShortLived(tiny_onnx_repository) as other:
        process = start(photographs, results, f"{other.grpc_url},{tiny_server.grpc_url}")
        wait_for_lines(results, 50)
        os.kill(other.pid, signal.SIGKILL)
        status, errors = finish(process)
    assert status == 0
    assert "error" not in errors
    assert results.read_text().splitlines() == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_server_that_freezes_meets_the_deadline_and_another_takes_over(
    tiny_server: TritonServer,
    tiny_onnx_repository: Path,
    photographs: Path,
    undisturbed: list[str],
    tmp_path: Path,
    protocol: str,
) -> None:
    results = tmp_path / "results.jsonl"
    words = ["--protocol", protocol, "--timeout", "1", "--patience", "1"]
    with ShortLived(tiny_onnx_repository) as other:
        ours, others = (server.grpc_url if protocol == "grpc" else server.http_url for server in (tiny_server, other))
        process = start(photographs, results, others, *words)
        wait_for_lines(results, 50)
        os.kill(other.pid, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            status, errors = finish(process)
            assert time.monotonic() - begin < 15
            assert status == 3
            assert "the same command goes on from there" in errors
            assert main(command(photographs, results, f"{ours},{others}", *words)) == 0
        finally:
            os.kill(other.pid, signal.SIGCONT)
    assert results.read_text().splitlines() == undisturbed


class FlakyProxy:
    """Passes bytes on to a port, and drops each connection after a random number of them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._random = random.Random(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                outside, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                inside = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                outside.close()
                continue
            pair = (outside, inside)
            for end in pair:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Room for the questions about the model, which are asked once; then for some images of 12 kB.
            budget = self._random.randint(20_000, 200_000)
            threading.Thread(target=self._pump, args=(*pair, budget), daemon=True).start()
            threading.Thread(target=self._pump, args=(*reversed(pair), 1 << 60), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, budget: int) -> None:
        try:
            while budget > 0 and (data := source.recv(4096)):
                budget -= len(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_flaky_network_loses_and_doubles_nothing(
    healing_server: TritonServer, photographs: Path, undisturbed: list[str], tmp_path: Path, protocol: str
) -> None:
    proxy = FlakyProxy(healing_server.grpc_port if protocol == "grpc" else healing_server.http_port)
    results = tmp_path / "results.jsonl"
    try:
        assert main(command(photographs, results, proxy.url, "--protocol", protocol)) == 0
    finally:
        proxy.close()
    assert proxy.connections > 10
    assert results.read_text().splitlines() == undisturbed


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_server_that_never_answers_meets_the_deadline(
    protocol: str, photographs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        words = ["classify", str(photographs), "--url", url, "--protocol", protocol, "--timeout", "1"]
        assert main(words) == 3
        assert 1 <= time.monotonic() - begin < 10
    assert url in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on_and_goes_on(
    healing_server: TritonServer,
    photographs: Path,
    undisturbed: list[str],
    tmp_path: Path,
    number: signal.Signals,
    capfd: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "results.jsonl"
    process = start(photographs, results, healing_server.grpc_url, "--shared-memory")
    wait_for_lines(results, 20)
    process.send_signal(number)
    status, errors = finish(process)
    assert status == 130
    assert "the same command goes on from there" in errors
    assert not leftovers()
    before = len(results.read_text().splitlines())
    assert 20 <= before < COUNT
    assert main(command(photographs, results, healing_server.grpc_url)) == 0
    assert f"{before} of them were there already" in capfd.readouterr().err
    assert results.read_text().splitlines() == undisturbed


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_killed_run_goes_on_without_loss(
    healing_server: TritonServer, photographs: Path, tmp_path: Path, suffix: str
) -> None:
    results = tmp_path / f"results.{suffix}"
    process = start(photographs, results, healing_server.grpc_url, "--shared-memory")
    wait_for_lines(results, 37)
    process.kill()
    process.communicate()
    until(lambda: not leftovers())
    with results.open("ab") as file:
        file.write(b'{"image": "torn' if suffix == "jsonl" else b'"torn,')
    assert main(command(photographs, results, healing_server.grpc_url)) == 0
    whole = tmp_path / f"whole.{suffix}"
    assert main(command(photographs, whole, healing_server.grpc_url)) == 0
    assert results.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_file_that_the_system_could_not_read_is_asked_for_again(
    tiny_server: TritonServer, photographs: Path, tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    results, folder = tmp_path / f"results.{suffix}", tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        shutil.copy(photographs / "000.png", folder / name)
    (folder / "b.png").symlink_to("/proc/self/mem")  # to read which is an input/output error
    (folder / "broken.png").write_bytes(b"no picture")
    assert main(command(folder, results, tiny_server.grpc_url)) == 1
    assert "Input/output error" in results.read_text()
    (folder / "b.png").unlink()
    shutil.copy(photographs / "000.png", folder / "b.png")
    capfd.readouterr()
    assert main(command(folder, results, tiny_server.grpc_url)) == 1
    assert "results are done again: 1 that the system could not read" in capfd.readouterr().err
    assert "Input/output error" not in results.read_text()


@pytest.mark.slow
def test_a_model_that_is_not_ready_says_why(
    tiny_onnx_repository: Path, photographs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    repository = Path(shutil.copytree(tiny_onnx_repository, tmp_path / "models"))
    config = Path(shutil.copytree(repository / "tiny_onnx", repository / "whole_onnx")) / "config.pbtxt"
    config.write_text(config.read_text().replace("tiny_onnx", "whole_onnx"))
    (repository / "tiny_onnx" / "1" / "model.onnx").write_bytes(b"no model")
    with ShortLived(repository) as server:
        for protocol, url in (("grpc", server.grpc_url), ("http", server.http_url)):
            words = ["classify", str(photographs / "000.png"), "--url", url, "--protocol", protocol]
            assert main([*words, "--model", "tiny_onnx"]) == 3
            captured = capfd.readouterr()
            assert "tiny_onnx is not ready (" in captured.err
            assert "Ready: whole_onnx" in captured.err
            assert main(words) == 0


def leftovers() -> list[Path]:
    return list(Path("/dev/shm").glob("client_*"))


def test_of_a_directory_with_corrupt_files_each_is_named_and_the_rest_classified(
    tiny_server: TritonServer, photographs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    corrupt = {f"{number:03}.png" for number in range(0, 200, 20)}
    for path in sorted(photographs.iterdir())[:200]:
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data[: len(data) // 2] if path.name in corrupt else data)
    assert main(["classify", str(tmp_path), "--url", tiny_server.grpc_url, "--format", "json"]) == 1
    captured = capfd.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert len(lines) == 200
    assert {Path(line["image"]).name for line in lines if "error" in line} == corrupt
    assert "10 of 200" in captured.err


class _HostileSite(BaseHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        getattr(self, f"_{unquote(self.path).strip('/').partition(' ')[0]}", self._missing)()

    def _missing(self) -> None:
        self.send_error(404)

    def _start(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _loop(self) -> None:
        self._start(302, Location="/loop")

    def _file(self) -> None:
        self._start(302, Location="file:///etc/passwd")

    def _page(self) -> None:
        self._start(Content_Type="text/html")
        self.wfile.write(b"<html>")

    def _announced(self) -> None:
        self._start(Content_Type="image/png", Content_Length=str(5 << 30))

    def _endless(self) -> None:
        self._start(Content_Type="image/png")
        self._pour(bytes(1 << 16), 0)

    def _trickle(self) -> None:
        self._start(Content_Type="image/png")
        self._pour(b"x", 0.05)

    def _pour(self, data: bytes, pause: float) -> None:
        try:
            for _ in range(5 << 14):
                self.wfile.write(data)
                time.sleep(pause)
        except OSError:
            pass

    def _good(self) -> None:
        self._start(Content_Type="image/png")
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4)).save(buffer, "PNG")
        self.wfile.write(buffer.getvalue())


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _HostileSite)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("loop", "redirect"),
        ("file", "leads from http to file, which is not followed"),
        ("missing", "HTTP status 404"),
        ("page", "text/html, not an image"),
        ("announced", "5,368,709,120 bytes, more than the limit"),
        ("endless", "more than the limit"),
        ("trickle", "not fetched within 1 s"),
    ],
)
def test_a_hostile_url_is_an_error_within_bounds(site: str, path: str, reason: str) -> None:
    begin = time.monotonic()
    with pytest.raises(ImageError, match=reason):
        fetch(f"{site}/{path}", limit=1 << 20, deadline=1.0)
    assert time.monotonic() - begin < 5


def test_a_url_with_spaces_and_letters_beyond_ascii_is_fetched(site: str) -> None:
    assert fetch(f"{site}/good café?size=4#top").startswith(b"\x89PNG")


def test_urls_are_classified_among_files(
    tiny_server: TritonServer, site: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "DEADLINE", 5.0)
    words = ["classify", f"{site}/good", f"{site}/page", f"{site}/loop", "http://127.0.0.1:1/x.png", "http://[bad"]
    assert main([*words, "--url", tiny_server.grpc_url, "--format", "json"]) == 1
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["image"] for line in lines] == words[1:]
    assert ["error" in line for line in lines] == [False, True, True, True, True]


def test_a_directory_that_spoils_the_list_of_the_repository_keeps_no_model_from_working(
    tiny_onnx_repository: Path, tmp_path: Path
) -> None:
    repository = Path(shutil.copytree(tiny_onnx_repository, tmp_path / "models"))
    with ShortLived(repository) as server:
        # Made while the server runs: it would not start with it.
        (repository / os.fsdecode(b"caf\xe9")).mkdir()
        for wanted in (None, "tiny_onnx"):
            with Classifier(server.grpc_url, wanted) as classifier:
                (result,) = classifier.classify([np.zeros((40, 48, 3), np.uint8)])
            assert result.error is None
        with pytest.raises(TritonRepoError, match="nobody"):
            Classifier(server.grpc_url, "nobody")
