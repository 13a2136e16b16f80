"""One server, one seam: what the client asks of Triton, the same over gRPC and HTTP.

Everything vendor-specific ends here: tritonclient's and urllib3's exceptions become ours in this module and nowhere
else. A `Transport` may be used from several threads at once. Retries, failover and shared memory are wrapped around
it by others; this module tries once and says what happened.
"""

from __future__ import annotations

import gzip
import json
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import tritonclient.grpc
import tritonclient.http
import urllib3
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from client.errors import (
    ClientError,
    DeadlineError,
    ModelUnavailableError,
    RegionLostError,
    RequestError,
    ServerUnavailableError,
    UsageError,
)

PROTOCOLS = ("grpc", "http")
DEFAULT_PORTS = {"grpc": 8001, "http": 8000}
COMPRESSIONS = ("gzip", "deflate")
# gRPC waits up to two minutes before it looks again for a server that went away; a restart should be seen at once.
_GRPC_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Tls:
    """PEM files. `ca`: who may sign the server (default: the system's list). `certificate`, `key`: for mutual TLS."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise UsageError("mutual TLS needs a certificate and its key, both")
        for path in (self.ca, self.certificate, self.key):
            if path is not None and not path.is_file():
                raise UsageError(f"no such PEM file: {path}")


@dataclass(frozen=True)
class Connection:
    """How to talk to a server. `deadline`: seconds for one request, connecting included."""

    protocol: str = "grpc"
    deadline: float = 60.0
    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    compression: str | None = None

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UsageError(f"protocol {self.protocol!r} is not one of {', '.join(PROTOCOLS)}")
        if self.compression is not None and self.compression not in COMPRESSIONS:
            raise UsageError(f"compression {self.compression!r} is not one of {', '.join(COMPRESSIONS)}")
        if not self.deadline > 0:
            raise UsageError(f"the deadline is {self.deadline} s, it must be more than 0")


@dataclass(frozen=True)
class ModelStatus:
    """One version of a model in the server's repository. `state` is Triton's word: READY, UNAVAILABLE, LOADING, …"""

    name: str
    version: str
    state: str
    reason: str = ""

    @property
    def ready(self) -> bool:
        return self.state == "READY"


@dataclass(frozen=True)
class Region:
    """Where a tensor lies in a shared memory region that the server has registered under `name`; bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class Inference:
    """One request. `tensor`: as the model's config wants it, batch axis included, C-contiguous.

    `class_count` > 0 asks for Triton's classification of that many classes instead of the tensor. `region`: the tensor
    is already there, send only its address.
    """

    model: str
    input_name: str
    output_name: str
    tensor: NDArray[Any]
    version: str = ""
    class_count: int = 0
    region: Region | None = None


@dataclass(frozen=True)
class Answer:
    """`values`: the output tensor, or `score:index:label` bytes where classes were asked for. `version`: model's."""

    values: NDArray[Any]
    version: str


class Transport(Protocol):
    """The seam. Every method makes one attempt, within the connection's deadline, and may be called from any thread.

    Raises ServerUnavailableError (DeadlineError) when there was no answer, ModelUnavailableError when the model cannot
    run now, RequestError when the server refused or failed the request.
    """

    url: str

    def server(self) -> dict[str, Any]:
        """Triton's server metadata: name, version, extensions."""

    def models(self) -> tuple[ModelStatus, ...]:
        """Every model version in the server's repository, ready or not."""

    def config(self, model: str) -> dict[str, Any]:
        """The model's config as JSON; over gRPC 64-bit integers are strings and defaults are left out (protobuf)."""

    def statistics(self, model: str) -> dict[str, Any]:
        """The statistics extension's counters for the model's versions: {"model_stats": […]}."""

    def infer(self, request: Inference) -> Answer: ...

    def register(self, region: Region, key: str) -> None:
        """Let the server map the POSIX shared memory object `key` as `region`."""

    def unregister(self, region: Region) -> None: ...

    def close(self) -> None:
        """Drop the connections; requests under way on other threads end with ServerUnavailableError."""


def open_transport(url: str, connection: Connection | None = None) -> Transport:
    """A transport to HOST[:PORT]; nothing is sent yet. Raises UsageError on a malformed address."""
    connection = connection or Connection()
    address = parse_address(url, connection.protocol)
    return GrpcTransport(address, connection) if connection.protocol == "grpc" else HttpTransport(address, connection)


def parse_address(url: str, protocol: str) -> str:
    """HOST[:PORT][/BASE] with the protocol's usual port where there is none. Raises UsageError."""
    if "://" in url:
        raise UsageError(f"{url!r}: write HOST:PORT without a scheme; --protocol and --tls say the rest")
    try:
        parsed = urllib3.util.parse_url(f"//{url}")
        port = parsed.port or DEFAULT_PORTS[protocol]
    except (urllib3.exceptions.LocationParseError, ValueError) as exc:
        raise UsageError(f"{url!r} is not HOST:PORT") from exc
    if not parsed.host:
        raise UsageError(f"{url!r} is not HOST:PORT")
    return f"{parsed.host}:{port}{(parsed.path or '').rstrip('/') if protocol == 'http' else ''}"


class GrpcTransport:
    """The seam over tritonclient's gRPC client, which is safe to share between threads."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url = url
        self._compression = connection.compression
        headers = {name.lower(): value for name, value in connection.headers.items()}
        self._common = {"headers": headers or None, "client_timeout": connection.deadline}
        tls = connection.tls
        self._client = tritonclient.grpc.InferenceServerClient(
            url,
            ssl=tls is not None,
            root_certificates=_text(tls.ca) if tls else None,
            private_key=_text(tls.key) if tls else None,
            certificate_chain=_text(tls.certificate) if tls else None,
            channel_args=_GRPC_OPTIONS,
        )

    def server(self) -> dict[str, Any]:
        with self._errors():
            return dict(self._client.get_server_metadata(as_json=True, **self._common))

    def models(self) -> tuple[ModelStatus, ...]:
        with self._errors():
            index = self._client.get_model_repository_index(as_json=True, **self._common)
        return _statuses(index.get("models", []))

    def config(self, model: str) -> dict[str, Any]:
        with self._errors():
            return dict(self._client.get_model_config(model, as_json=True, **self._common)["config"])

    def statistics(self, model: str) -> dict[str, Any]:
        with self._errors():
            return dict(self._client.get_inference_statistics(model, as_json=True, **self._common))

    def infer(self, request: Inference) -> Answer:
        tensor, output = _request_parts(tritonclient.grpc, request)
        with self._errors():
            result = self._client.infer(
                request.model,
                [tensor],
                model_version=request.version,
                outputs=[output],
                compression_algorithm=self._compression,
                **self._common,
            )
        return _answer(result.as_numpy(request.output_name), result.get_response().model_version, request)

    def register(self, region: Region, key: str) -> None:
        with self._errors():
            self._client.register_system_shared_memory(region.name, key, region.size, **self._common)

    def unregister(self, region: Region) -> None:
        with self._errors():
            self._client.unregister_system_shared_memory(region.name, **self._common)

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except InferenceServerException as exc:
            code = str(exc.status() or "").removeprefix("StatusCode.")
            raise _error(self.url, code, exc.message() or "no message") from exc
        except ValueError as exc:  # grpc's way to say that the channel was closed meanwhile
            raise ServerUnavailableError(f"{self.url}: {exc}") from exc


class HttpTransport:
    """The seam over HTTP: tritonclient's message format on urllib3's pool, since its own client is for one thread."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url = url
        self._connection = connection
        scheme = "https" if connection.tls else "http"
        self._base = f"{scheme}://{url}/v2"
        self._pool = urllib3.PoolManager(
            maxsize=64, retries=False, ssl_context=_ssl_context(connection.tls) if connection.tls else None
        )

    def server(self) -> dict[str, Any]:
        return dict(self._json("GET", ""))

    def models(self) -> tuple[ModelStatus, ...]:
        return _statuses(self._json("POST", "/repository/index"))

    def config(self, model: str) -> dict[str, Any]:
        return dict(self._json("GET", f"/models/{quote(model, safe='')}/config"))

    def statistics(self, model: str) -> dict[str, Any]:
        return dict(self._json("GET", f"/models/{quote(model, safe='')}/stats"))

    def infer(self, request: Inference) -> Answer:
        tensor, output = _request_parts(tritonclient.http, request)
        body, header_length = tritonclient.http.InferenceServerClient.generate_request_body([tensor], outputs=[output])
        headers = {} if header_length is None else {"Inference-Header-Content-Length": str(header_length)}
        if self._connection.compression:
            headers |= {
                "Content-Encoding": self._connection.compression,
                "Accept-Encoding": self._connection.compression,
            }
            body = gzip.compress(body, 1) if self._connection.compression == "gzip" else zlib.compress(body, 1)
        version = f"/versions/{quote(request.version, safe='')}" if request.version else ""
        path = f"/models/{quote(request.model, safe='')}{version}/infer"
        content, answered = self._exchange("POST", path, body, headers)
        length = answered.get("Inference-Header-Content-Length")
        try:
            result = tritonclient.http.InferenceServerClient.parse_response_body(
                content, header_length=None if length is None else int(length)
            )
        except ValueError as exc:
            raise self._not_triton(path) from exc
        return _answer(result.as_numpy(request.output_name), result.get_response().get("model_version", ""), request)

    def register(self, region: Region, key: str) -> None:
        body = json.dumps({"key": key, "offset": 0, "byte_size": region.size}).encode()
        self._exchange("POST", f"/systemsharedmemory/region/{region.name}/register", body)

    def unregister(self, region: Region) -> None:
        self._exchange("POST", f"/systemsharedmemory/region/{region.name}/unregister")

    def close(self) -> None:
        self._pool.clear()

    def _json(self, method: str, path: str) -> Any:
        content, _ = self._exchange(method, path)
        try:
            return json.loads(content)
        except ValueError as exc:
            raise self._not_triton(path) from exc

    def _not_triton(self, path: str) -> RequestError:
        return RequestError(f"{self.url} answered /v2{path} with something that is not Triton's; is it Triton?")

    def _exchange(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """One request and its whole response, decompressed, within the deadline."""
        end = time.monotonic() + self._connection.deadline
        try:
            response = self._pool.request(
                method,
                self._base + path,
                body=body,
                headers={**self._connection.headers, **(headers or {})},
                timeout=urllib3.Timeout(total=self._connection.deadline),
                preload_content=False,
                redirect=False,
            )
            content = _read_until(response, end)
        except (urllib3.exceptions.TimeoutError, TimeoutError) as exc:
            raise _error(self.url, "DEADLINE_EXCEEDED", f"no answer in {self._connection.deadline:g} s") from exc
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise _error(self.url, "UNAVAILABLE", _innermost(exc)) from exc
        if response.status != 200:
            raise _error(self.url, _HTTP_CODES.get(response.status, "UNKNOWN"), _http_message(response.status, content))
        return content, response.headers


# By gRPC's own table (doc/http-grpc-status-mapping.md), and what Triton answers: 400, 404, 500, 503.
_HTTP_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "UNAVAILABLE",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
}


def _read_until(response: urllib3.BaseHTTPResponse, end: float) -> bytes:
    """urllib3's timeout is for one read, and its read() for as many as it takes: a trickle would go on for ever."""
    content = bytearray()
    try:
        while chunk := response.read1(_CHUNK, decode_content=True):
            content += chunk
            if time.monotonic() > end:
                raise TimeoutError
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return bytes(content)


def _http_message(status: int, content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {status}"


def _innermost(exc: BaseException) -> str:
    reason = getattr(exc, "reason", None)
    return _innermost(reason) if isinstance(reason, BaseException) else str(exc)


def _error(url: str, code: str, message: str) -> ClientError:
    """A gRPC status code, or an HTTP status by its gRPC name, as our error."""
    if "Stub process" in message or (code == "NOT_FOUND" and "model" in message):
        return ModelUnavailableError(f"{url}: {message}")
    if "shared memory region" in message and "Unable to find" in message:
        return RegionLostError(f"{url}: {message}")
    if code == "DEADLINE_EXCEEDED":
        return DeadlineError(f"{url}: {message}")
    if code in ("UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED") or "RST_STREAM" in message:
        return ServerUnavailableError(f"{url}: {message}")
    return RequestError(f"{url} refused the request ({code or 'no code'}): {message}")


def _request_parts(module: Any, request: Inference) -> tuple[Any, Any]:
    """tritonclient's input and requested output; the two protocols' modules spell them alike."""
    datatype = np_to_triton_dtype(request.tensor.dtype.type)
    tensor = module.InferInput(request.input_name, list(request.tensor.shape), datatype)
    if request.region is None:
        tensor.set_data_from_numpy(request.tensor)
    else:
        tensor.set_shared_memory(request.region.name, request.tensor.nbytes)
    return tensor, module.InferRequestedOutput(request.output_name, class_count=request.class_count)


def _answer(values: NDArray[Any] | None, version: str, request: Inference) -> Answer:
    if values is None:
        raise RequestError(f"{request.model} answered without {request.output_name}")
    return Answer(values, version)


def _statuses(index: list[dict[str, str]]) -> tuple[ModelStatus, ...]:
    return tuple(
        ModelStatus(m["name"], m.get("version", ""), m.get("state", "UNAVAILABLE"), m.get("reason", "")) for m in index
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _ssl_context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=_text(tls.ca))
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (ssl.SSLError, OSError) as exc:
        raise UsageError(f"TLS: not a usable PEM file among {tls.ca}, {tls.certificate}, {tls.key}: {exc}") from exc
    return context
