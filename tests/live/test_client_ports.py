"""A client at the wrong port of a real Triton: the message says which port it is, and what to type."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tritonrepo.client.classifier import Classifier
from tritonrepo.client.connection import Connection, Tls
from tritonrepo.client.errors import MissingError, ServerUnavailableError
from tritonrepo.client.transport import open_transport
from tritonrepo.serve.door import Door
from tritonrepo.serve.guard import Guard
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live


def complaint(address: str, connection: Connection) -> str:
    """The last line of what a client there says."""
    with pytest.raises(MissingError) as caught:
        Classifier(address, connection=connection)
    return str(caught.value).splitlines()[-1]


def test_each_wrong_port_is_named(tiny_server: TritonServer) -> None:
    http, grpc, metrics = (
        f"127.0.0.1:{port}" for port in (tiny_server.http_port, tiny_server.grpc_port, tiny_server.metrics_port)
    )
    assert complaint(http, Connection("grpc")) == (
        f"{http} is Triton's HTTP port: type http://{http}, or give the gRPC port, usually "
        f"127.0.0.1:{tiny_server.http_port + 1}."
    )
    assert complaint(grpc, Connection("http")) == (
        f"{grpc} is a gRPC port: type grpc://{grpc}, or give the HTTP port, usually "
        f"127.0.0.1:{tiny_server.grpc_port - 1}."
    )
    assert complaint(metrics, Connection("grpc")) == (
        f"{metrics} is Triton's metrics port: give the gRPC port, usually 127.0.0.1:{tiny_server.metrics_port - 1}."
    )
    assert complaint(metrics, Connection("http")) == (
        f"{metrics} is Triton's metrics port: give the HTTP port, usually 127.0.0.1:{tiny_server.metrics_port - 2}."
    )


def test_a_guard_whose_server_is_away_is_still_tritons_http_port() -> None:
    with Guard(lambda: ("127.0.0.1:1", ""), Door(), 0) as guard:
        address = f"127.0.0.1:{guard.port}"
        assert complaint(address, Connection("grpc")).startswith(f"{address} is Triton's HTTP port: ")
        assert complaint(address, Connection("http")) == (
            f"{address}: tritonserver does not answer; it may be starting anew"
        )


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_tls_where_there_is_none_is_named(tiny_server: TritonServer, protocol: str) -> None:
    url = tiny_server.grpc_url if protocol == "grpc" else tiny_server.http_url
    assert complaint(url, Connection(protocol, tls=Tls())).endswith(
        f"answers without TLS: leave --tls and the PEM files away, or type {protocol}://{url}."
    )


def test_a_scheme_is_enough(tiny_server: TritonServer) -> None:
    with Classifier(f"http://{tiny_server.http_url}", "tiny_onnx") as classifier:
        assert classifier.model == "tiny_onnx"


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    """A server that speaks TLS alone."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_server_that_wants_tls_is_named(tls_port: int, protocol: str) -> None:
    assert (
        complaint(f"127.0.0.1:{tls_port}", Connection(protocol))
        == f"127.0.0.1:{tls_port} asks for TLS: type {protocol}s://127.0.0.1:{tls_port}."
    )


class _Site(BaseHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def do_POST(self) -> None:
        self.do_GET()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_another_web_server_is_named(protocol: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        said = complaint(f"127.0.0.1:{server.server_port}", Connection(protocol))
        server.shutdown()
        thread.join()
    assert said.endswith("answers in HTTP, and not as Triton does.")


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_what_hangs_up_at_once_is_left_alone(protocol: str) -> None:
    """Nothing can be told of it, so nothing is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up)
        thread.start()
        transport = open_transport(f"127.0.0.1:{listener.getsockname()[1]}", Connection(protocol, deadline=2))
        with pytest.raises(ServerUnavailableError) as caught:
            transport.models()
        transport.close()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "\n" not in str(caught.value)
