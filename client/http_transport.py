"""The transport seam over HTTP."""

from __future__ import annotations

import gzip
import json
import ssl
import time
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import tritonclient.http
import urllib3

from tritonrepo.client.connection import Connection, Tls
from tritonrepo.client.errors import ClosedError, DeadlineError, RequestError, ServerUnavailableError, UsageError
from tritonrepo.client.messages import answer, error, request_parts, statuses
from tritonrepo.client.port import explained
from tritonrepo.client.server_key import Keyring
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Region

_CHUNK = 1 << 16


class HttpTransport:
    """The seam over HTTP: tritonclient's message format on urllib3's pool, since its own client is for one thread."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url = url
        self._connection = connection
        scheme = "https" if connection.tls else "http"
        self._base = f"{scheme}://{url}/v2"
        self._keyring = Keyring(url, lambda: str(self.server()["name"]))
        self._pool = urllib3.PoolManager(
            maxsize=64, retries=False, ssl_context=_ssl_context(connection.tls) if connection.tls else None
        )

    def server(self) -> dict[str, Any]:
        """Triton's server metadata."""
        return dict(self._json("GET", ""))

    def models(self) -> tuple[ModelStatus, ...]:
        """Every model version that is ready, and the others too where the index is open to us."""
        ready = self.statistics("")
        try:
            return statuses(ready, self._keyring.unlock(lambda key: self._json("POST", "/repository/index", key)))
        except RequestError:
            return statuses(ready, [])

    def config(self, model: str) -> dict[str, Any]:
        """The model's config."""
        return dict(self._json("GET", f"/models/{quote(model, safe='')}/config"))

    def statistics(self, model: str) -> dict[str, Any]:
        """The model's counters, or those of all that is ready."""
        return dict(self._json("GET", f"/models/{quote(model, safe='')}/stats" if model else "/models/stats"))

    def infer(self, request: Inference) -> Answer:
        """One request, once."""
        tensor, output = request_parts(tritonclient.http, request)
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
        return answer(result.as_numpy(request.output_name), result.get_response().get("model_version", ""), request)

    def register(self, region: Region, key: str) -> None:
        """Let the server map a shared memory object."""
        body = json.dumps({"key": key, "offset": 0, "byte_size": region.size}).encode()
        path = f"/systemsharedmemory/region/{region.name}/register"
        self._keyring.unlock(lambda server_key: self._exchange("POST", path, body, server_key))

    def unregister(self, region: Region) -> None:
        """Let the server forget a region."""
        path = f"/systemsharedmemory/region/{region.name}/unregister"
        self._keyring.unlock(lambda server_key: self._exchange("POST", path, headers=server_key))

    def close(self) -> None:
        """Drop the connections."""
        self._pool.clear()

    def _json(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """The answer to a question about the server; an error says what listens there instead of Triton."""
        try:
            content, _ = self._exchange(method, path, headers=headers)
            return json.loads(content)
        except (DeadlineError, ClosedError):
            raise
        except (ServerUnavailableError, RequestError) as exc:
            raise explained(exc, self.url, self._connection) from exc
        except ValueError as exc:
            raise explained(self._not_triton(path), self.url, self._connection) from exc

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
        except urllib3.exceptions.NewConnectionError as exc:  # for urllib3 a kind of timeout
            raise error(self.url, "UNAVAILABLE", str(exc.__cause__ or exc)) from exc
        except (urllib3.exceptions.TimeoutError, TimeoutError) as exc:
            raise error(self.url, "DEADLINE_EXCEEDED", f"no answer in {self._connection.deadline:g} s") from exc
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise error(self.url, "UNAVAILABLE", _innermost(exc)) from exc
        if response.status != 200:
            raise error(self.url, _HTTP_CODES.get(response.status, "UNKNOWN"), _http_message(response.status, content))
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


def _ssl_context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if tls.ca is None else str(tls.ca))
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (ssl.SSLError, OSError) as exc:
        raise UsageError(f"TLS: not a usable PEM file among {tls.ca}, {tls.certificate}, {tls.key}: {exc}") from exc
    return context
