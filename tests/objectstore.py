"""An object store that speaks S3, moto's, in a process of its own on loopback."""

import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tritonrepo.repository.store.address import Address
from tritonrepo.serve.ports import reserve_ports

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
START_SECONDS = 60.0


@contextmanager
def object_store(log: Path) -> Iterator[str]:
    """Run one while the block runs; yields HOST:PORT."""
    port = reserve_ports((0, 0, 0))[0]
    with log.open("w") as output:
        words = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(words, stdout=output, stderr=output)
    try:
        _await(f"http://127.0.0.1:{port}/moto-api/", process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def make_bucket(server: str, name: str) -> Address:
    """A new bucket; a repository in it has a prefix."""
    put(f"http://{server}/{name}", b"")
    return Address("s3", name, "prod/models", f"http://{server}")


def put(url: str, content: bytes) -> None:
    """Write an object, or make a bucket."""
    headers = {"Content-Type": "application/octet-stream"}  # not a form, which moto would wait for
    urllib.request.urlopen(urllib.request.Request(url, content, headers, method="PUT"), timeout=10).close()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError(f"the object store did not answer at {url}")


@contextmanager
def refusing(code: str, text: str = "no, sir") -> Iterator[str]:
    """A store that answers every request with this error; yields its endpoint."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
            self.send_response(301 if code == "PermanentRedirect" else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
