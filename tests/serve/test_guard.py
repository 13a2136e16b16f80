"""The guard in front of a real tritonserver."""

import gzip
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
import trustme

from tests.certificates import write_pair
from tests.conftest import TINY_SIDE, ShortLived
from tritonrepo.serve import guard as guards
from tritonrepo.serve.door import Door
from tritonrepo.serve.errors import PortTakenError
from tritonrepo.serve.guard import Guard
from tritonrepo.serve.ports import ADDRESS, bind
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

SHAPE = [1, 3, TINY_SIDE, TINY_SIDE]
INFER = "/v2/models/tiny_onnx/infer"
BOMBS = (
    b"[" * 40_000,
    json.dumps({"inputs": [{"name": "INPUT__0", "datatype": "FP32", "shape": [2147483648], "data": [0]}]}).encode(),
    json.dumps({"inputs": [{"name": "INPUT__0", "datatype": "FP32", "shape": [1, 3, 65536, 65536]}]}).encode(),
)
"""Each of them ends tritonserver 2.51."""


@pytest.fixture(scope="module")
def server(tiny_onnx_repository: Path) -> Iterator[TritonServer]:
    with ShortLived(tiny_onnx_repository, door=Door()) as server:
        yield server


@pytest.fixture(scope="module")
def guard(server: TritonServer) -> Iterator[Guard]:
    with Guard(lambda: (server.http_url, server.key), Door(), 0) as guard:
        yield guard


def ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_an_inference_passes_as_it_is(server: TritonServer, guard: Guard) -> None:
    images = np.random.default_rng(0).random(SHAPE, np.float32)
    tensor = triton.InferInput("INPUT__0", SHAPE, "FP32").set_data_from_numpy(images)
    answers = []
    for address, headers in ((server.http_url, {"key": server.key}), (f"{ADDRESS}:{guard.port}", {})):
        client = triton.InferenceServerClient(address)
        answers.append(client.infer("tiny_onnx", [tensor], headers=headers).as_numpy("OUTPUT__0"))
        client.close()
    assert np.array_equal(*answers)


def test_a_compressed_request_passes(guard: Guard) -> None:
    data = [0.0] * (3 * TINY_SIDE * TINY_SIDE)
    body = json.dumps({"inputs": [{"name": "INPUT__0", "datatype": "FP32", "shape": SHAPE, "data": data}]}).encode()
    status, answer = ask(guard.port, "POST", INFER, gzip.compress(body), {"Content-Encoding": "gzip"})
    assert status == 200
    assert json.loads(answer)["outputs"][0]["shape"] == [1, 10]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_not_compressed_as_it_says(guard: Guard, encoding: str) -> None:
    status, answer = ask(guard.port, "POST", INFER, b"[" * 100, {"Content-Encoding": encoding})
    assert status == 400
    assert json.loads(answer)["error"]


def test_a_bomb_is_refused(guard: Guard) -> None:
    bomb = gzip.compress(b" " * (300 << 20), 1)
    assert ask(guard.port, "POST", INFER, bomb, {"Content-Encoding": "gzip"})[0] == 413


def test_without_the_guard_nothing_is_open(server: TritonServer) -> None:
    for method, path in (("GET", "/v2"), ("GET", "/v2/health/ready"), ("POST", INFER), ("GET", "/v2/models/stats")):
        assert ask(server.http_port, method, path, b"{}")[0] == 403, path


def test_what_is_closed_takes_the_key(server: TritonServer, guard: Guard) -> None:
    for path in ("/v2/repository/index", "/v2/repository/models/tiny_onnx/load", "/v2/trace/setting", "/v2/logging"):
        status, answer = ask(guard.port, "POST", path, b"{}")
        assert status == 403
        assert b"restricted" in answer
    assert ask(guard.port, "POST", "/v2/repository/index", b"{}", {"key": server.key})[0] == 200


@pytest.mark.parametrize("body", BOMBS, ids=["nesting", "dimension", "product"])
def test_what_would_end_the_server_is_refused(server: TritonServer, guard: Guard, body: bytes) -> None:
    status, answer = ask(guard.port, "POST", INFER, body)
    assert status == 400
    assert json.loads(answer)["error"]
    assert ask(guard.port, "GET", "/v2/health/ready") == (200, b"")
    server.wait(0)


def test_a_page_of_another_site_is_refused(guard: Guard) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Host": "rebound.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ask(guard.port, "POST", INFER, b"{}", headers)[0] == 403
        assert ask(guard.port, "GET", "/v2", headers=headers)[0] == 403


def test_a_large_body_is_refused(server: TritonServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "LARGEST_BODY", 1 << 20)
    with Guard(lambda: (server.http_url, server.key), Door(), 0) as guard:
        assert ask(guard.port, "POST", INFER, b" " * ((1 << 20) + 1))[0] == 413


def test_a_connection_without_a_header_is_closed(server: TritonServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "HEADER_SECONDS", 0.5)
    with (
        Guard(lambda: (server.http_url, server.key), Door(), 0) as guard,
        socket.create_connection((ADDRESS, guard.port), timeout=30) as slow,
    ):
        slow.sendall(b"POST /v2 HTTP/1.1\r\nHost: loc")
        assert slow.recv(1) == b""


def test_a_body_that_does_not_come(server: TritonServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "BODY_SECONDS", 0.2)
    with (
        Guard(lambda: (server.http_url, server.key), Door(), 0) as guard,
        socket.create_connection((ADDRESS, guard.port), timeout=30) as slow,
    ):
        slow.sendall(b"POST /v2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        assert slow.recv(12) == b"HTTP/1.1 408"


def test_a_server_that_is_gone() -> None:
    with bind(0) as held:
        port = held.getsockname()[1]
    with Guard(lambda: (f"{ADDRESS}:{port}", "key"), Door(), 0) as guard:
        status, answer = ask(guard.port, "GET", "/v2")
    assert status == 503
    assert "does not answer" in json.loads(answer)["error"]


def test_readiness_is_the_callers_to_say(server: TritonServer) -> None:
    with Guard(lambda: (server.http_url, server.key), Door(), 0, ready=lambda: False) as guard:
        assert ask(guard.port, "GET", "/v2/health/ready")[0] == 503
        assert ask(guard.port, "GET", "/v2/health/live")[0] == 200


def test_https(server: TritonServer, tmp_path: Path) -> None:
    authority, trusting = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusting)
    door = Door("localhost", *write_pair(authority, tmp_path, "server", "localhost"))
    with Guard(lambda: (server.http_url, server.key), door, 0) as guard:
        assert guard.url == f"https://{ADDRESS}:{guard.port}"
        connection = http.client.HTTPSConnection("localhost", guard.port, timeout=30, context=trusting)
        connection.request("GET", "/v2/health/live")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_taken_port() -> None:
    with (
        bind(0) as held,
        pytest.raises(PortTakenError, match="cannot be used"),
        Guard(lambda: ("", ""), Door(), held.getsockname()[1]),
    ):
        pass
