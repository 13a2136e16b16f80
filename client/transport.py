"""One server, one seam: what the client asks of Triton, the same over gRPC and HTTP.

Everything vendor-specific ends behind it: `grpc_transport` and `http_transport` turn tritonclient's and urllib3's
exceptions into ours. A `Transport` may be used from several threads at once. Retries, failover and shared memory are
wrapped around it by others; a transport tries once and says what happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from tritonrepo.client.connection import Connection, check_scheme, implied_connection, parse_address


@dataclass(frozen=True)
class ModelStatus:
    """One version of a model in the server's repository.

    Attributes:
        name: The model's.
        version: Its number, as text.
        state: Triton's word: READY, UNAVAILABLE, LOADING, …
        reason: Why it is in that state, if Triton says so.
    """

    name: str
    version: str
    state: str
    reason: str = ""

    @property
    def ready(self) -> bool:
        """Whether it can be asked now."""
        return self.state == "READY"


@dataclass(frozen=True)
class Region:
    """A region of shared memory, which a tensor begins.

    Attributes:
        name: The server knows it by this.
        size: In bytes.
    """

    name: str
    size: int


@dataclass(frozen=True)
class Inference:
    """One request.

    Attributes:
        model: Who is asked.
        input_name: The model's input.
        output_name: The output that is wanted.
        tensor: The input, as the model's config wants it, batch axis included, C-contiguous.
        version: Of the model; the server chooses where it is empty.
        class_count: Above 0 asks for Triton's classification of that many classes instead of the tensor.
        region: The tensor is already there, send only its address.
        expected: How many values, or classes, the answer has to have in all; not checked where it is 0.
    """

    model: str
    input_name: str
    output_name: str
    tensor: NDArray[Any]
    version: str = ""
    class_count: int = 0
    region: Region | None = None
    expected: int = 0


@dataclass(frozen=True)
class Answer:
    """What the model answered.

    Attributes:
        values: The output tensor, or `score:index:label` bytes where classes were asked for.
        version: Of the model that answered.
    """

    values: NDArray[Any]
    version: str


class Transport(Protocol):
    """The seam. Every method makes one attempt, within the connection's deadline, and may be called from any thread.

    Attributes:
        url: HOST:PORT, for messages.

    Raises:
        ServerUnavailableError: There was no answer (DeadlineError: not in time).
        ModelUnavailableError: The model cannot run now.
        RequestError: The server refused or failed the request.
    """

    url: str

    def server(self) -> dict[str, Any]:
        """Triton's server metadata: name, version, extensions."""

    def models(self) -> tuple[ModelStatus, ...]:
        """Every model version that is ready, and the others too where the server opens its repository index to us."""

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        """The model's config as JSON; over gRPC 64-bit integers are strings and defaults are left out (protobuf).

        Without a version it is that of the version which answers now.
        """

    def statistics(self, model: str) -> dict[str, Any]:
        """The statistics extension's counters for the model's versions, or for all that is ready if it is empty.

        They look like this: {"model_stats": […]}.
        """

    def infer(self, request: Inference) -> Answer:
        """One request and its answer."""

    def register(self, region: Region, key: str) -> None:
        """Let the server map the POSIX shared memory object `key` as `region`."""

    def unregister(self, region: Region) -> None:
        """Let the server forget the region."""

    def close(self) -> None:
        """Drop the connections; requests under way on other threads end with ServerUnavailableError."""


class ControlTransport(Transport, Protocol):
    """One server, which is also told what to load. That takes its key, and model control in the mode `explicit`.

    Raises:
        ClosedError: The server wants a key that is not here.
        RequestError: It refuses; where a model cannot be loaded, the message says why.
    """

    def load(self, model: str, config: str = "") -> None:
        """Load a model, or load it anew, and return when that is done.

        Args:
            model: Its name in the server's repository.
            config: Its configuration, JSON, instead of that of its config.pbtxt.
        """

    def unload(self, model: str) -> None:
        """Give up a model; one that is not loaded is no error."""


def open_transport(url: str, connection: Connection | None = None) -> ControlTransport:
    """A transport to one server; nothing is sent yet.

    Args:
        url: [SCHEME://]HOST[:PORT]; http, https, grpc and grpcs are schemes. dns:///HOST[:PORT] takes, over gRPC, all
            servers of that name in turn.
        connection: By default what the scheme asks for, gRPC without TLS if there is none.

    Raises:
        UsageError: The address is malformed, or at odds with the connection.
    """
    connection = connection or implied_connection(url)
    check_scheme(url, connection)
    address = parse_address(url, connection.protocol)
    if connection.protocol == "grpc":
        from tritonrepo.client.grpc_transport import GrpcTransport

        return GrpcTransport(address, connection)
    from tritonrepo.client.http_transport import HttpTransport

    return HttpTransport(address, connection)
