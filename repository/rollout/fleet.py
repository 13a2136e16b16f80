"""Several servers at once: each does the same, and what fails is told of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from tritonrepo.client.errors import TritonRepoError, UsageError
from tritonrepo.repository.rollout.servers import UNAVAILABLE, Reach, Server, States

MOST_AT_ONCE = 32


class FleetError(TritonRepoError):
    """Some servers did not do what they were to do.

    Attributes:
        failures: Why, by the address of each.
    """

    def __init__(self, failures: Mapping[str, TritonRepoError]) -> None:
        super().__init__("; ".join(f"{url}: {_without(str(error), url)}" for url, error in failures.items()))
        self.failures = failures


class Fleet:
    """The servers that get a release, as a context manager.

    Attributes:
        servers: In the order in which they were given.
    """

    def __init__(self, urls: Sequence[str], reach: Reach) -> None:
        """Prepare; nothing is sent.

        Args:
            urls: Their addresses, each once.
            reach: How they are reached.

        Raises:
            UsageError: An address is malformed.
        """
        self.servers = [Server(url, reach) for url in dict.fromkeys(urls)]
        self._pool = ThreadPoolExecutor(min(len(self.servers), MOST_AT_ONCE), "fleet")

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for server in self.servers:
            server.close()

    @property
    def controlled(self) -> list[Server]:
        """Those that are told what to load."""
        return [server for server in self.servers if not server.follows]

    @property
    def following(self) -> list[Server]:
        """Those that follow their repository by themselves."""
        return [server for server in self.servers if server.follows]

    def meet(self) -> None:
        """Find out how each server comes by its models.

        Raises:
            FleetError: One does not answer.
            UsageError: Two addresses lead to one server, so that it would count twice.
        """
        self.each(self.servers, Server.meet)
        known: dict[str, Server] = {}
        for server in self.servers:
            if server.embedded and (other := known.setdefault(server.name, server)) is not server:
                raise UsageError(f"{other.url} and {server.url} are the same server; name it once")

    def groups(self, canary: int) -> list[list[Server]]:
        """The servers that are told, in the order of a release: first so many, then the others.

        Raises:
            UsageError: There are not so many.
        """
        told = self.controlled
        if canary > len(told):
            raise UsageError(
                f"--canary {canary}: {len(told)} of {len(self.servers)} servers take a version when they are told. The "
                "others follow the repository, and all take what its record says; a canary needs servers under model "
                "control (tritonrepo serve, or tritonserver --model-control-mode=explicit)"
            )
        return [group for group in (told[:canary], told[canary:]) if group]

    def look(self) -> tuple[dict[str, States], dict[str, TritonRepoError]]:
        """What the servers have of each model, by their addresses, and why the others do not say."""
        found: dict[str, States] = {}

        def look(server: Server) -> None:
            found[server.url] = server.states()

        failures = self.failures(self.servers, look)
        return {server.url: found[server.url] for server in self.servers if server.url in found}, failures

    def loaded(self, model: str) -> set[int]:
        """The versions of a model that any server has loaded, or is about to.

        Raises:
            FleetError: A server does not say.
        """
        states, failures = self.look()
        if failures:
            raise FleetError(failures)
        known = (item for each in states.values() for item in each.items())
        return {version for (name, version), state in known if name == model and state != UNAVAILABLE}

    def each(self, servers: Sequence[Server], act: Callable[[Server], None]) -> None:
        """Do the same with each of the servers, at once. Raises `FleetError` when all are done and one has failed."""
        if failures := self.failures(servers, act):
            raise FleetError(failures)

    def failures(self, servers: Sequence[Server], act: Callable[[Server], None]) -> dict[str, TritonRepoError]:
        """The same; what went wrong, by the address of the server."""
        done: dict[str, Future[TritonRepoError | None]] = {}
        try:
            for server in servers:
                done[server.url] = self._pool.submit(_tried, act, server)
            return {url: failure for url, future in done.items() if (failure := future.result()) is not None}
        finally:  # where it is interrupted, what has not begun does not begin beside what is done about it
            for future in done.values():
                future.cancel()


def _tried(act: Callable[[Server], None], server: Server) -> TritonRepoError | None:
    try:
        act(server)
    except TritonRepoError as failure:
        return failure
    return None


def _without(message: str, url: str) -> str:
    """A message without the address that it may begin with."""
    for begin in (f"{url}: ", f"{url.partition('://')[2]}: "):
        message = message.removeprefix(begin)
    return message
