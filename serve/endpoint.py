"""The supervisor's own endpoint on loopback: whether every model answers, and what was mended."""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tritonrepo.repository.shortage import SHORTAGES
from tritonrepo.serve.errors import PortTakenError
from tritonrepo.serve.ports import ADDRESS
from tritonrepo.serve.questions import exchange
from tritonrepo.serve.screening import LOOPBACK, RefusedError, check_site

READY = "/v2/health/ready"
LIVE = "/v2/health/live"
METRICS = "/metrics"
REQUEST_SECONDS = 5.0
MOST_REQUESTS = 16
SHORTAGE_SECONDS = 0.5

Answer = tuple[HTTPStatus, str, bytes]
"""Status, media type and body."""


class Endpoint(ThreadingHTTPServer):
    """A small HTTP server in threads of its own, as a context manager."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, pages: Mapping[str, Callable[[], Answer]]) -> None:
        """Listen; entering it answers.

        Args:
            port: A port of 127.0.0.1; 0: a free one.
            pages: What answers for a path.

        Raises:
            PortTakenError: The port is taken.
        """
        self.pages = pages
        self._room = threading.Semaphore(MOST_REQUESTS)
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            raise PortTakenError(port, ADDRESS, error) from None
        self._thread = threading.Thread(target=self.serve_forever, name="endpoint", daemon=True)

    def __enter__(self) -> "Endpoint":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{ADDRESS}:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection; where this process may open no more files, do not try it again at once."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in SHORTAGES:
                time.sleep(SHORTAGE_SECONDS)
            raise

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Answer one connection. There are never many threads, so that nobody can hold them all by idling."""
        if not self._room.acquire(timeout=REQUEST_SECONDS):
            self.shutdown_request(request)  # type: ignore[arg-type]
            return
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away."""


class Handler(BaseHTTPRequestHandler):
    """Answers GET, one request for each connection."""

    server: Endpoint
    timeout = REQUEST_SECONDS

    def do_GET(self) -> None:
        """Answer one request."""
        status, media_type, body = self._find_answer()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _find_answer(self) -> Answer:
        try:
            check_site(dict(self.headers.items()), LOOPBACK)
        except RefusedError as refused:
            return refused.status, "text/plain; charset=utf-8", str(refused).encode()
        page = self.server.pages.get(self.path)
        return page() if page else (HTTPStatus.NOT_FOUND, "text/plain", b"")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def check(address: str, seconds: float = REQUEST_SECONDS) -> dict[str, str]:
    """Ask a supervisor whether all is well; the models that do not answer, with the reasons.

    Args:
        address: HOST:PORT of its endpoint.
        seconds: How long it may take.

    Raises:
        NoAnswerError: Nobody answers there.
        ValueError: Who answers is no supervisor.
    """
    status, body = exchange(address, "GET", READY, None, {}, seconds)
    missing = json.loads(body)["missing"]
    if (status == HTTPStatus.OK) != (not missing):
        raise ValueError(f"status {status}")
    return {str(name): str(why) for name, why in missing.items()}
