"""The transport seam over gRPC."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from tritonrepo.client.connection import DNS, Connection
from tritonrepo.client.errors import RequestError, ServerUnavailableError, UsageError
from tritonrepo.client.messages import LARGEST_ANSWER, error, read_answer, request_parts, statuses
from tritonrepo.client.networks import host_of, proxy_for
from tritonrepo.client.port import explained
from tritonrepo.client.server_key import Keyring
from tritonrepo.client.tls import ssl_context
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Region

# gRPC waits up to two minutes before it looks again for a server that went away; a restart should be seen at once.
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
LEAVE_SECONDS = 5.0
"""How long `close` waits for the answers to requests that are under way.

To close the channel cancels them, and a Triton before 25.04 may crash then: a thread of it looks at the request after
another has released it (triton-inference-server/server, pull request 8078).
"""


class GrpcTransport:
    """The seam over tritonclient's gRPC client, which is safe to share between threads; see `Transport`."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url = url
        self._connection = connection
        self._common = self._with_headers({})
        self._requests, self._closed, self._change = 0, False, threading.Condition()
        self._keyring = Keyring(url, lambda: str(self.server()["name"]))
        tls = connection.tls
        if tls:
            ssl_context(tls)  # gRPC takes any file, and says nothing of what is in it until it connects.
        self._client = tritonclient.grpc.InferenceServerClient(
            url,
            ssl=tls is not None,
            root_certificates=_text(tls.ca) if tls else None,
            private_key=_text(tls.key) if tls else None,
            certificate_chain=_text(tls.certificate) if tls else None,
            channel_args=[*_OPTIONS, *_proxy_options(url), *_turn_options(url)],
        )

    def server(self) -> dict[str, Any]:
        """Triton's server metadata."""
        with self._question():
            return dict(self._client.get_server_metadata(as_json=True, **self._common))

    def models(self) -> tuple[ModelStatus, ...]:
        """Every model version that is ready, and the others too where the index is open to us."""
        ready = self.statistics("")
        try:
            return statuses(ready, self._keyring.unlock(self._index))
        except RequestError:  # It is closed, or spoilt by a directory's name that is no text.
            return statuses(ready, [])

    def _index(self, key: Mapping[str, str]) -> list[dict[str, str]]:
        with self._errors():
            index = self._client.get_model_repository_index(as_json=True, **self._with_headers(key))
        return list(index.get("models", []))

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        """The model's config."""
        with self._question():
            answer = self._client.get_model_config(model, version, as_json=True, **self._common)
        if "config" not in answer:
            raise RequestError(f"{self.url} answered without a config for {model}; is it Triton?")
        return dict(answer["config"])

    def statistics(self, model: str) -> dict[str, Any]:
        """The model's counters, or those of all that is ready."""
        with self._question():
            return dict(self._client.get_inference_statistics(model, as_json=True, **self._common))

    def infer(self, request: Inference) -> Answer:
        """One request, once."""
        tensor, output = request_parts(tritonclient.grpc, request)
        with self._errors(), self._under_way():
            result = self._client.infer(
                request.model,
                [tensor],
                model_version=request.version,
                outputs=[output],
                compression_algorithm=self._connection.compression,
                **self._common,
            )
        return read_answer(self.url, request, lambda: (result, result.get_response().model_version))

    def register(self, region: Region, key: str) -> None:
        """Let the server map a shared memory object."""
        if self.url.startswith(DNS):  # The next request may reach another server, which does not know the region.
            raise UsageError(f"{self.url} may be several servers, and shared memory is for one: give its HOST:PORT")

        def ask(server_key: Mapping[str, str]) -> None:
            with self._errors():
                headers = self._with_headers(server_key)
                self._client.register_system_shared_memory(region.name, key, region.size, **headers)

        self._keyring.unlock(ask)

    def unregister(self, region: Region) -> None:
        """Let the server forget a region."""

        def ask(server_key: Mapping[str, str]) -> None:
            with self._errors():
                self._client.unregister_system_shared_memory(region.name, **self._with_headers(server_key))

        self._keyring.unlock(ask)

    def load(self, model: str, config: str = "") -> None:
        """Load a model."""

        def ask(server_key: Mapping[str, str]) -> None:
            with self._errors():
                self._client.load_model(model, config=config or None, **self._with_headers(server_key))

        self._keyring.unlock(ask)

    def unload(self, model: str) -> None:
        """Give up a model."""

        def ask(server_key: Mapping[str, str]) -> None:
            with self._errors():
                self._client.unload_model(model, **self._with_headers(server_key))

        self._keyring.unlock(ask)

    def close(self) -> None:
        """Drop the connections, once the requests under way have their answers; after `LEAVE_SECONDS` without them."""
        try:
            with self._change:
                self._closed = True
                self._change.wait_for(lambda: not self._requests, LEAVE_SECONDS)
        finally:
            self._client.close()

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """Count a request for `close`, which no other may follow."""
        with self._change:
            if self._closed:
                raise ServerUnavailableError(f"{self.url}: the connection is closed")
            self._requests += 1
        try:
            yield
        finally:
            with self._change:
                self._requests -= 1
                self._change.notify_all()

    def _with_headers(self, more: Mapping[str, str]) -> dict[str, Any]:
        """What every call takes."""
        headers = {name.lower(): value for name, value in self._connection.headers.items()} | dict(more)
        return {"headers": headers or None, "client_timeout": self._connection.deadline}

    @contextmanager
    def _question(self) -> Iterator[None]:
        """Errors of a question about the server, which say what listens there if it does not answer."""
        try:
            with self._errors():
                yield
        except ServerUnavailableError as exc:
            raise explained(exc, self.url, self._connection) from exc

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except InferenceServerException as exc:
            code = str(exc.status() or "").removeprefix("StatusCode.")
            raise error(self.url, code, exc.message() or "no message") from exc
        except ValueError as exc:  # grpc's way to say that the channel was closed meanwhile
            raise ServerUnavailableError(f"{self.url}: {exc}") from exc


def _proxy_options(url: str) -> list[tuple[str, Any]]:
    """The proxy for an address, or none. gRPC by itself would ask one for this host too."""
    proxy = proxy_for("grpc", host_of(url))
    return [("grpc.http_proxy", proxy.url)] if proxy else [("grpc.enable_http_proxy", 0)]


def _turn_options(url: str) -> list[tuple[str, Any]]:
    """Every server in turn, for an address that names several; gRPC by itself would stay with the first."""
    return [("grpc.lb_policy_name", "round_robin")] if url.startswith((DNS, "ipv4:")) else []


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
