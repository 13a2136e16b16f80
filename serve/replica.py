"""A server that users reach: behind its guard, with its supervisor and that one's endpoint. And several of them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tritonrepo.repository.store.address import Address
from tritonrepo.serve.changes import Changes
from tritonrepo.serve.door import Door
from tritonrepo.serve.endpoint import READY, Endpoint
from tritonrepo.serve.follow import follow
from tritonrepo.serve.guard import Guard
from tritonrepo.serve.models import ModelStatus
from tritonrepo.serve.pages import make_pages
from tritonrepo.serve.ports import Ports
from tritonrepo.serve.supervisor import Care, Supervisor
from tritonrepo.serve.triton import TritonServer

Say = Callable[[str], None]
"""Takes a sentence, from any thread."""
JOIN_SECONDS = 2.0


@dataclass(frozen=True)
class Setup:
    """What is served, and how.

    Attributes:
        repository: Where the models are.
        door: Where HTTP and gRPC may be reached from.
        care: What the supervisor does.
        names: Names of this host that HTTP requests use.
        shared_memory: Let clients with the key hand over pictures in shared memory.
    """

    repository: Path | Address
    door: Door
    care: Care
    names: tuple[str, ...] = ()
    shared_memory: bool = False


class Replica:
    """One server and what belongs to it, as a context manager.

    Attributes:
        server: The server.
        statuses: How each model fared at the start.
        supervisor: Once it is entered.
    """

    def __init__(self, setup: Setup, ports: Ports, say: Say, show_line: Say | None = None) -> None:
        """Prepare; entering it starts all.

        Args:
            setup: What is served.
            ports: Where.
            say: Takes what the supervisor does, and what becomes of the models.
            show_line: Takes the lines of the server's log.

        Raises:
            PortTakenError: The supervisor's port is taken.
            UsageError: TLS is asked for with what is no certificate.
        """
        self._setup, self._say, self._show_line = setup, say, show_line
        self._stack = ExitStack()
        self.supervisor: Supervisor | None = None
        self.statuses: list[ModelStatus] = []
        self.server = TritonServer(
            setup.repository, 0, ports.grpc, ports.metrics, door=setup.door, shared_memory=setup.shared_memory
        )
        self._endpoint = Endpoint(ports.supervisor, make_pages(lambda: self.supervisor))
        self._guard = Guard(
            lambda: (self.server.http_url, self.server.key if self.server.pid else ""),
            setup.door,
            ports.http,
            names=setup.names,
            ready=lambda: self.supervisor is not None and self.supervisor.is_ready(),
        )

    def __enter__(self) -> "Replica":
        with ExitStack() as stack:
            stack.enter_context(self._endpoint)
            if self._show_line:
                stack.enter_context(follow(self.server, 0, self._show_line))
            # The guard ends first: it takes no new connection, and what is in flight is answered by the server.
            stack.enter_context(self.server)
            stack.enter_context(self._guard)
            self._seen = len(self.server.read_log(0))
            self.statuses = self.server.models()
            self.supervisor = Supervisor(self.server, self._say, self._setup.care)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where it is reached, by what is there."""
        return {
            "HTTP": self._guard.url,
            "gRPC": self.server.grpc_url,
            "Metrics": self.server.metrics_url,
            "Health": f"{self._endpoint.url}{READY}",
        }

    def run(self) -> None:
        """Watch over the server, and say what becomes of its models, until it is stopped or interrupted.

        Raises:
            GivenUpError: The server ends again and again, or cannot be started again.
        """
        assert self.supervisor is not None, "it is not entered"
        changes = Changes(self.statuses, self.server.is_ready)

        def tell(line: str) -> None:
            if sentence := changes.read(line):
                self._say(sentence)

        with follow(self.server, self._seen, tell):
            self.supervisor.run()

    def stop(self) -> None:
        """Let `run` return, from another thread."""
        if self.supervisor is not None:
            self.supervisor.stop()


def watch(replicas: Sequence[Replica]) -> None:
    """Watch over all until one is given up, or until interrupted.

    Raises:
        GivenUpError: One was; the others are to be ended by the caller, as all that was entered.
    """
    first, *others = replicas
    errors: list[BaseException] = []

    def run(replica: Replica) -> None:
        try:
            replica.run()
        except BaseException as error:
            errors.append(error)
            first.stop()

    threads = [threading.Thread(target=run, args=(replica,), daemon=True) for replica in others]
    for thread in threads:
        thread.start()
    try:
        first.run()  # Here, where Ctrl-C arrives, so that it cuts a start short.
    finally:
        for replica in others:
            replica.stop()
        for thread in threads:
            thread.join(JOIN_SECONDS)  # One that starts a server again ends with the process.
    if errors:
        raise errors[0]
