"""A web server of pictures that holds one back, so that a test can look at, and kill, who waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil


class Gate:
    """Serves the files of a folder, on loopback.

    Attributes:
        url: Where the folder is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = ""
        self._open = threading.Event()
        self._waiting: list[int] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def hold(self, name: str) -> None:
        """Hold this file back from now on."""
        self._held, self._waiting = name, []
        self._open.clear()

    def release(self) -> None:
        """Hold nothing back, and let those go who wait."""
        self._held = ""
        self._open.set()

    def waits(self) -> int:
        """How often the file was asked for that is held back."""
        return len(self._waiting)

    def waiting(self) -> psutil.Process:
        """The process that asked for it last."""
        (found,) = {
            connection.pid
            for connection in psutil.net_connections("tcp4")
            if connection.laddr and connection.laddr.port == self._waiting[-1] and connection.pid
        }
        return psutil.Process(found)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/")
                if name == gate._held:
                    gate._waiting.append(self.client_address[1])
                    gate._open.wait()
                data = (gate._folder / name).read_bytes()
                with suppress(ConnectionError):
                    self.send_response(200)
                    self.send_header("Content-Type", "image/jpeg")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    @contextmanager
    def serving(self) -> Iterator[Gate]:
        """Until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.release()
            self._server.shutdown()
            self._server.server_close()
            thread.join()
