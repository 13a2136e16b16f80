"""The proxy that counts bytes for the benchmarks."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from benchmarks.meter import Meter


def echo(listener: socket.socket) -> None:
    """Answer what comes, and break each connection after it, until one says nothing."""
    while True:
        connection, _ = listener.accept()
        with connection:
            if not (data := connection.recv(1 << 16)):
                return
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_it_counts_what_is_sent_and_takes_a_connection_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        echoing = threading.Thread(target=echo, args=(listener,), daemon=True)
        echoing.start()
        with Meter("127.0.0.1", listener.getsockname()[1]) as meter:
            host, port = meter.url.split(":")
            for _ in range(20):
                with socket.create_connection((host, int(port)), timeout=10) as client:
                    client.sendall(b"x" * 1000)
                    assert client.recv(1000)
            assert meter.sent == 20_000
        socket.create_connection(listener.getsockname()).close()
        echoing.join(10)
    assert failures == []
