"""The transport seam over HTTP."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import tritonclient.http
import urllib3

from tritonrepo.client.connection import Connection
from tritonrepo.client.deadline import within
from tritonrepo.client.errors import (
    ClosedError,
    RequestError,
    ServerUnavailableError,
    TritonRepoError,
)
from tritonrepo.client.http_pool import TooLargeError, innermost, is_timeout, open_pool, read_body, retry_after
from tritonrepo.client.messages import (
    METADATA_LIMIT,
    TOO_LARGE,
    answer_limit,
    error,
    read_answer,
    request_parts,
    said,
    statuses,
)
from tritonrepo.client.networks import host_of, proxy_for
from tritonrepo.client.port import explained
from tritonrepo.client.server_key import Keyring
from tritonrepo.client.text import printable
from tritonrepo.client.tls import ssl_context
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Region

_HEADER_LENGTH = "Inference-Header-Content-Length"


class HttpTransport:
    """The seam over HTTP: tritonclient's message format on urllib3's pool, since its own client is for one thread."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url = url
        self._connection = connection
        scheme = "https" if connection.tls else "http"
        self._base = f"{scheme}://{url}/v2"
        self._keyring = Keyring(url, lambda: str(self.server()["name"]))
        context = ssl_context(connection.tls) if connection.tls else None
        self._pool = open_pool(context, proxy_for(scheme, host_of(url)))

    def server(self) -> dict[str, Any]:
        """Triton's server metadata."""
        return self._object("GET", "")

    def models(self) -> tuple[ModelStatus, ...]:
        """Every model version that is ready, and the others too where the index is open to us."""
        ready = self.statistics("")
        try:
            return statuses(ready, self._keyring.unlock(lambda key: self._json("POST", "/repository/index", key)))
        except RequestError:
            return statuses(ready, [])

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        """The model's config."""
        return self._object("GET", f"{_model_path(model, version)}/config")

    def statistics(self, model: str) -> dict[str, Any]:
        """The model's counters, or those of all that is ready."""
        return self._object("GET", f"/models/{quote(model, safe='')}/stats" if model else "/models/stats")

    def infer(self, request: Inference) -> Answer:
        """One request, once."""
        tensor, output = request_parts(tritonclient.http, request)
        body, header_length = tritonclient.http.InferenceServerClient.generate_request_body([tensor], outputs=[output])
        headers = {} if header_length is None else {_HEADER_LENGTH: str(header_length)}
        if self._connection.compression:
            headers |= {
                "Content-Encoding": self._connection.compression,
                "Accept-Encoding": self._connection.compression,
            }
            body = gzip.compress(body, 1) if self._connection.compression == "gzip" else zlib.compress(body, 1)
        path = f"{_model_path(request.model, request.version)}/infer"
        content, answered = self._exchange("POST", path, body, headers, answer_limit(request))
        return read_answer(self.url, request, lambda: _parsed(content, answered.get(_HEADER_LENGTH)))

    def register(self, region: Region, key: str) -> None:
        """Let the server map a shared memory object."""
        body = json.dumps({"key": key, "offset": 0, "byte_size": region.size}).encode()
        path = f"/systemsharedmemory/region/{region.name}/register"
        self._keyring.unlock(lambda server_key: self._exchange("POST", path, body, server_key))

    def unregister(self, region: Region) -> None:
        """Let the server forget a region."""
        path = f"/systemsharedmemory/region/{region.name}/unregister"
        self._keyring.unlock(lambda server_key: self._exchange("POST", path, headers=server_key))

    def load(self, model: str, config: str = "") -> None:
        """Load a model."""
        self._control(model, "load", {"parameters": {"config": config}} if config else {})

    def unload(self, model: str) -> None:
        """Give up a model."""
        self._control(model, "unload", {})

    def _control(self, model: str, verb: str, content: Mapping[str, Any]) -> None:
        path, body = f"/repository/models/{quote(model, safe='')}/{verb}", json.dumps(content).encode()
        self._keyring.unlock(lambda key: self._exchange("POST", path, body, key))

    def close(self) -> None:
        """Drop the connections."""
        self._pool.clear()

    def _object(self, method: str, path: str) -> dict[str, Any]:
        """The answer to a question about the server, where it has to be a JSON object."""
        found = self._json(method, path)
        if not isinstance(found, dict):
            raise self._not_triton(path)
        return found

    def _json(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """The answer to a question about the server; an error says what listens there instead of Triton."""
        try:
            content, _ = self._exchange(method, path, headers=headers)
            return json.loads(content)
        except ClosedError:
            raise
        except (ServerUnavailableError, RequestError) as exc:
            raise explained(exc, self.url, self._connection) from exc
        except (ValueError, RecursionError) as exc:
            raise explained(self._not_triton(path), self.url, self._connection) from exc

    def _not_triton(self, path: str) -> RequestError:
        return RequestError(f"{self.url} answered /v2{path} with something that is not Triton's; is it Triton?")

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit: int = METADATA_LIMIT,
    ) -> tuple[bytes, Mapping[str, str]]:
        """One request and its whole response, decompressed, within the deadline and of at most `limit` bytes."""
        try:
            with within(self._connection.deadline):
                response = self._pool.request(
                    method,
                    self._base + path,
                    body=body,
                    headers={**self._connection.headers, **(headers or {})},
                    preload_content=False,
                    redirect=False,
                )
                content = read_body(response, limit)
        except TooLargeError as exc:
            raise RequestError(f"{self.url} answered with more than the {limit:,} bytes that were expected") from exc
        except (urllib3.exceptions.HTTPError, OSError, http.client.HTTPException) as exc:
            raise self._failure(exc) from exc
        if response.status != 200:
            raise _refusal(self.url, response, content)
        return content, response.headers

    def _failure(self, exc: Exception) -> TritonRepoError:
        if is_timeout(exc):
            return error(self.url, "DEADLINE_EXCEEDED", f"no answer in {self._connection.deadline:g} s")
        return error(self.url, "UNAVAILABLE", said(innermost(exc)))


# By gRPC's own table (doc/http-grpc-status-mapping.md), and what Triton answers: 400, 404, 500, 503.
_HTTP_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: TOO_LARGE,
    429: "UNAVAILABLE",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
}


def _model_path(model: str, version: str) -> str:
    path = f"/models/{quote(model, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


def _refusal(url: str, response: urllib3.BaseHTTPResponse, content: bytes) -> TritonRepoError:
    """What a status other than 200 means."""
    if 300 <= response.status < 400:
        place = printable(response.headers.get("Location", "nowhere"))
        return RequestError(f"{url} redirects to {place}, which is not followed: give the address of the server itself")
    found = error(url, _HTTP_CODES.get(response.status, "UNKNOWN"), _http_message(response.status, content))
    if isinstance(found, ServerUnavailableError):
        found.retry_after = retry_after(response)
    return found


def _parsed(content: bytes, header_length: str | None) -> tuple[Any, str]:
    """The parsed answer, and the version that it names."""
    result = tritonclient.http.InferenceServerClient.parse_response_body(
        content, header_length=None if header_length is None else int(header_length)
    )
    return result, result.get_response().get("model_version", "")


def _http_message(status: int, content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"HTTP status {status}"
