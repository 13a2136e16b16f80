"""What listens at an address: for the message that says why no server answers there."""

from __future__ import annotations

import socket
import ssl
import time

from tritonrepo.client.connection import DNS, Connection
from tritonrepo.client.errors import DeadlineError, TritonRepoError
from tritonrepo.client.networks import host_of, proxy_for
from tritonrepo.client.tls import complaint

SECONDS = 2.0
_MOST = 1 << 16
# HTTP/2 begins with a SETTINGS frame: three bytes of length, then the type 4, no flags, stream 0.
_SETTINGS = b"\x04\x00\x00\x00\x00\x00"

# The guard of `serve` says so while the server behind it is started anew.
_STARTING = b"tritonserver does not answer"

# By what listens and the client's protocol. Triton's ports are usually three in a row: HTTP, gRPC, metrics.
_HINTS = {
    ("http", "grpc"): "{0} is Triton's HTTP port: type http://{0}, or give the gRPC port, usually {next}.",
    ("grpc", "http"): "{0} is a gRPC port: type grpc://{0}, or give the HTTP port, usually {previous}.",
    ("metrics", "grpc"): "{0} is Triton's metrics port: give the gRPC port, usually {previous}.",
    ("metrics", "http"): "{0} is Triton's metrics port: give the HTTP port, usually {before}.",
    ("other", "grpc"): "{0} answers in HTTP, and not as Triton does.",
    ("other", "http"): "{0} answers in HTTP, and not as Triton does.",
}


def explained(failure: TritonRepoError, address: str, connection: Connection) -> TritonRepoError:
    """The same failure, with a sentence on what listens at the address where that can be told and helps."""
    sentence = _sentence(failure, address, connection)
    return type(failure)(f"{failure}\n{sentence}") if sentence else failure


def _sentence(failure: TritonRepoError, address: str, connection: Connection) -> str:
    scheme = "grpc" if connection.protocol == "grpc" else "https" if connection.tls else "http"
    if proxy := proxy_for(scheme, host_of(address)):
        return proxy.hint
    if isinstance(failure, DeadlineError):
        return ""  # Time enough was spent on it.
    return _hint(_listener(address, min(SECONDS, connection.deadline)), address, connection)


def _hint(kind: str, address: str, connection: Connection) -> str:
    host, port, _ = _parts(address)
    if kind == "nothing":
        return "Is a server running there? Start one with: tritonrepo serve"
    if kind == "unknown":
        return f"{host} is not known as a host: is it spelt right?"
    if kind == "tls":
        if connection.tls:
            return complaint(host.strip("[]"), port, connection.tls, min(SECONDS, connection.deadline))
        return f"{address} asks for TLS: type {connection.protocol}s://{address}."
    if kind == connection.protocol:
        plain = f"{address} answers without TLS: leave --tls and the PEM files away, or type {kind}://{address}."
        return plain if connection.tls else ""
    neighbours = {name: f"{host}:{port + offset}" for name, offset in (("next", 1), ("previous", -1), ("before", -2))}
    return _HINTS.get((kind, connection.protocol), "").format(address, **neighbours)


def _listener(address: str, seconds: float) -> str:
    """grpc, http or metrics of Triton; other (HTTP), tls, nothing, unknown (host); empty where that cannot be told."""
    try:
        first = _answer(address, "/v2", seconds)
        if first[3:9] == _SETTINGS:
            return "grpc"
        if not first.startswith(b"HTTP/1."):
            return "tls" if _speaks_tls(address, seconds) else ""
        if b'"extensions"' in first or _STARTING in first:
            return "http"
        return "metrics" if b"\nnv_" in _answer(address, "/metrics", seconds) else "other"
    except ConnectionRefusedError:
        return "nothing"
    except (socket.gaierror, UnicodeError):
        return "unknown"
    except OSError:
        return ""


def _answer(address: str, path: str, seconds: float) -> bytes:
    """What comes back for a plain GET, however it ends. Sends none of the user's headers, which may be secrets."""
    host, port, base = _parts(address)
    end = time.monotonic() + seconds
    received = bytearray()
    with socket.create_connection((host.strip("[]"), port), seconds) as connection:
        connection.sendall(f"GET {base}{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        while len(received) < _MOST and (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                data = connection.recv(_MOST)
            except OSError:
                break
            if not data:
                break
            received += data
    return bytes(received)


def _speaks_tls(address: str, seconds: float) -> bool:
    """Whether a handshake gets an answer. The certificate does not matter: nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, port, _ = _parts(address)
    try:
        with (
            socket.create_connection((host.strip("[]"), port), seconds) as connection,
            context.wrap_socket(connection, server_hostname=host.strip("[]")),
        ):
            return True
    except OSError:
        return False


def _parts(address: str) -> tuple[str, int, str]:
    """Host, port and base path of an address that `parse_address` gave."""
    place, slash, base = address.removeprefix(DNS).partition("/")
    host, _, port = place.rpartition(":")
    return host, int(port), slash + base
