"""What servers that are not well answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tritonrepo.client.connection import Connection
from tritonrepo.client.errors import (
    DeadlineError,
    ModelUnavailableError,
    RequestError,
    ServerUnavailableError,
    TritonRepoError,
)
from tritonrepo.client.transport import Inference, open_transport

REQUEST = Inference("net", "INPUT__0", "OUTPUT__0", np.zeros((1, 3), np.float32))


class _Server(ThreadingHTTPServer):
    """Answers everything with what it was told last."""

    status, body, pause = 200, b"", 0.0


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        for byte in self.server.body:
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return
            time.sleep(self.server.pause)

    def do_GET(self) -> None:
        self.do_POST()


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, b'{"error":"unexpected shape"}', RequestError, "INVALID_ARGUMENT.*unexpected shape"),
        (401, b"<html>", RequestError, "UNAUTHENTICATED.*HTTP status 401"),
        (404, b'{"error":"unknown model"}', ModelUnavailableError, "unknown model"),
        (503, b'{"error":"model x version 1 is not at ready state"}', ModelUnavailableError, "not at ready state"),
        (500, b'{"error":"Stub process is not healthy"}', ModelUnavailableError, "Stub process"),
        (500, b'{"error":"out of memory"}', RequestError, "INTERNAL.*out of memory"),
        (502, b"Bad gateway", ServerUnavailableError, "HTTP status 502"),
        (503, b"", ServerUnavailableError, "HTTP status 503"),
    ],
)
def test_statuses_become_our_errors(
    server: _Server, status: int, body: bytes, kind: type[TritonRepoError], message: str
) -> None:
    server.status, server.body = status, body
    transport = open_transport(f"127.0.0.1:{server.server_port}", Connection("http"))
    with pytest.raises(kind, match=message):
        transport.infer(REQUEST)
    transport.close()


def test_something_that_is_not_triton_is_named(server: _Server) -> None:
    server.body = b"<html>hello</html>"
    transport = open_transport(f"127.0.0.1:{server.server_port}", Connection("http"))
    with pytest.raises(RequestError, match="is it Triton"):
        transport.models()
    with pytest.raises(RequestError, match="is it Triton"):
        transport.infer(REQUEST)
    transport.close()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_refused_connection_is_no_timeout(protocol: str) -> None:
    transport = open_transport("127.0.0.1:1", Connection(protocol, deadline=60))
    with pytest.raises(ServerUnavailableError, match=r"(?s)refused.*Start one with: tritonrepo serve") as caught:
        transport.models()
    assert not isinstance(caught.value, DeadlineError)
    transport.close()


def test_an_answer_that_trickles_meets_the_deadline(server: _Server) -> None:
    server.body, server.pause = b"x" * 1000, 0.05
    transport = open_transport(f"127.0.0.1:{server.server_port}", Connection("http", deadline=0.5))
    begin = time.monotonic()
    with pytest.raises(DeadlineError):
        transport.models()
    assert time.monotonic() - begin < 5
    transport.close()
