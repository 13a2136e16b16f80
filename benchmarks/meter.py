"""A TCP proxy that counts what a client sends."""

import socket
import threading
from contextlib import suppress
from types import TracebackType


class Meter:
    """A proxy on a free port of the loopback interface, to be used in a `with` block.

    Attributes:
        url: HOST:PORT.
        sent: Bytes towards the server so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self.sent = 0
        self._lock = threading.Lock()
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "{}:{}".format(*self._listener.getsockname())
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> "Meter":
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more connections, and wait for those that are there to end."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was shut down
            while True:
                near, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(near,), daemon=True))
                self._threads[-1].start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._server) as far:
            back = threading.Thread(target=self._pump, args=(far, near, False), daemon=True)
            back.start()
            self._pump(near, far, True)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        """Pass on what comes until one side has gone; the other then hears of it."""
        with suppress(OSError):
            while data := source.recv(1 << 18):
                if counted:
                    with self._lock:  # a client has several connections
                        self.sent += len(data)
                target.sendall(data)
        with suppress(OSError):  # it is not connected any more
            target.shutdown(socket.SHUT_WR)
