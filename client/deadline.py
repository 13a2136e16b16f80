"""Sockets with one deadline for all that a thread does in a block: look-up, connection, TLS, every byte both ways.

A socket's own timeout starts anew with each byte, so that whoever sends one now and then is waited for without end.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

Address: TypeAlias = "tuple[Any, ...]"


@dataclass(frozen=True)
class _Bounds:
    end: float
    allow: Callable[[str], None]


_bounds: ContextVar[_Bounds | None] = ContextVar("bounds", default=None)


@contextmanager
def within(seconds: float, allow: Callable[[str], None] = lambda address: None) -> Iterator[None]:
    """Bound what this thread's sockets do in the block.

    Args:
        seconds: For all of it together.
        allow: Called with each IP address before it is connected to; raises where that must not be.
    """
    token = _bounds.set(_Bounds(time.monotonic() + seconds, allow))
    try:
        yield
    finally:
        _bounds.reset(token)


def remaining() -> float | None:
    """Seconds that are left of the block; None outside of one.

    Raises:
        TimeoutError: There are none left.
    """
    bounds = _bounds.get()
    if bounds is None:
        return None
    left = bounds.end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class BoundedSocket(socket.socket):
    """A TCP socket whose every wait ends with the block's time."""

    def recv(self, *arguments: Any) -> bytes:
        """As `socket.recv`."""
        self.settimeout(remaining())
        return super().recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        """As `socket.recv_into`."""
        self.settimeout(remaining())
        return super().recv_into(*arguments)

    def send(self, *arguments: Any) -> int:
        """As `socket.send`."""
        self.settimeout(remaining())
        return super().send(*arguments)

    def sendall(self, *arguments: Any) -> None:
        """As `socket.sendall`."""
        self.settimeout(remaining())
        super().sendall(*arguments)


class BoundedTlsSocket(ssl.SSLSocket):
    """The same with TLS; SSLContext.sslsocket_class makes them."""

    def do_handshake(self, block: bool = False) -> None:
        """As `SSLSocket.do_handshake`."""
        self.settimeout(remaining())
        super().do_handshake(block)

    def read(self, *arguments: Any) -> Any:
        """As `SSLSocket.read`, which the ways to receive end in."""
        self.settimeout(remaining())
        return super().read(*arguments)

    def send(self, *arguments: Any) -> int:
        """As `SSLSocket.send`, which the other ways to send end in."""
        self.settimeout(remaining())
        return super().send(*arguments)


def connect(host: str, port: int) -> BoundedSocket:
    """Return a connection to the first address of a host that takes it, each given its share of the time.

    Raises:
        TimeoutError: There was no time left.
        OSError: Unknown host, refused, unreachable: the last address's reason.
        Exception: What the block's `allow` raises for an address.
    """
    found = _look_up(host.strip("[]"), port)
    failure: OSError | None = None
    for number, (family, address) in enumerate(found):
        _allow(address)
        connection = BoundedSocket(family, socket.SOCK_STREAM)
        try:
            left = remaining()
            connection.settimeout(None if left is None else left / (len(found) - number))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException as exc:
            connection.close()
            if not isinstance(exc, OSError):
                raise
            failure = exc
        else:
            return connection
    raise failure or OSError(f"{host} has no address")


def _allow(address: Address) -> None:
    bounds = _bounds.get()
    if bounds is not None:
        bounds.allow(str(address[0]))


def _look_up(host: str, port: int) -> list[tuple[socket.AddressFamily, Address]]:
    """A host's addresses. In a thread of its own: the system's resolver takes no deadline, and none can end it."""
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as exc:
            answers.put(exc)
        except UnicodeError:
            answers.put(socket.gaierror(socket.EAI_NONAME, "not a host's name"))

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=remaining())
    except queue.Empty:
        raise TimeoutError("timed out") from None
    if isinstance(answer, OSError):
        raise answer
    return [(family, address) for family, _, _, _, address in answer]
