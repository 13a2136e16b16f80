"""One server, one seam: what the client asks of Triton, the same over gRPC and HTTP.

Everything vendor-specific ends behind it: `grpc_transport` and `http_transport` turn tritonclient's and urllib3's
exceptions into ours. A `Transport` may be used from several threads at once. Retries, failover and shared memory are
wrapped around it by others; a transport tries once and says what happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from tritonrepo.client.connection import Connection, parse_address


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
    if connection.protocol == "grpc":
        from tritonrepo.client.grpc_transport import GrpcTransport

        return GrpcTransport(address, connection)
    from tritonrepo.client.http_transport import HttpTransport

    return HttpTransport(address, connection)
