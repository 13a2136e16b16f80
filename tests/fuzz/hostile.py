"""A web server that answers as a test tells it to, byte for byte."""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

Script: TypeAlias = Callable[[socket.socket, bytes], None]


class HostileServer:
    """Gives each request to `script`, which has the connection for itself; the connection is closed after it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = _read_request(connection)
            self.requests.append(head)
            self.script(connection, head)
            # Only then is it a close; with data unread it would be a reset.
            connection.shutdown(socket.SHUT_WR)
        self._open.discard(connection)

    def __enter__(self) -> HostileServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


def _read_request(connection: socket.socket) -> bytes:
    """A request's head and body; the body is not kept."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(1 << 16)
        if not data:
            return received
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    left = int(lengths[0]) - len(body) if lengths else 0
    while left > 0 and (data := connection.recv(1 << 16)):
        left -= len(data)
    return head


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A whole response; underscores in headers' names stand for hyphens.

    It says that the connection ends: a client that keeps it could send its next request before it sees the end.
    """
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sending(data: bytes) -> Script:
    """A script that sends this."""
    return lambda connection, _: connection.sendall(data)


def trickling(data: bytes, stopped: Callable[[], threading.Event], pause: float = 0.05) -> Script:
    """A script that sends a byte now and then."""

    def script(connection: socket.socket, _: bytes) -> None:
        for byte in data:
            if stopped().wait(pause):
                return
            connection.sendall(bytes([byte]))

    return script


@functools.cache
def bomb(size: int) -> bytes:
    """Gzip of `size` zeros, a thousandth of it."""

    def pieces() -> Iterator[bytes]:
        compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
        for _ in range(size >> 20):
            yield compressor.compress(bytes(1 << 20))
        yield compressor.flush()

    return b"".join(pieces())
