"""Three servers over one repository, clients that ask them, and what happens to a release there."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ShortLived, running, wait_until
from tests.live.releases import MODEL, Release, draw_pictures
from tests.rollout import artifacts
from tests.rollout.artifacts import Version
from tests.rollout.clients import Client, Told
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.rollout.errors import ReleaseError
from tritonrepo.repository.rollout.fleet import Fleet
from tritonrepo.repository.rollout.release import Rollout
from tritonrepo.repository.rollout.servers import Reach
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.address import Address, open_store
from tritonrepo.repository.store.seam import Record, Store
from tritonrepo.serve.command import ModelControlMode
from tritonrepo.serve.triton import TritonServer

CLIENTS = ("grpc", "http", "grpc", "http")
PICTURES = 6
TIMEOUT = 60.0


@dataclass
class Seen:
    """What a release came to.

    Attributes:
        released: The version, or 0 where it was undone.
        reason: Why it was undone.
        told: Each sentence on the way.
        clients: What each client was told.
        ended: When the release was done or undone.
    """

    released: int = 0
    reason: str = ""
    told: list[str] = field(default_factory=list)
    clients: list[Told] = field(default_factory=list)
    ended: float = 0.0

    def lost(self) -> int:
        """Requests without an answer, of all clients."""
        return sum(one.lost for one in self.clients)

    def refused(self, version: int) -> list[str]:
        """Requests for a version that a server refused, before the client asked again."""
        named = re.compile(rf"version {version}\b")
        return [text for one in self.clients for text in one.refused if named.search(text)]

    def answered(self) -> Counter[int]:
        """How many answers each version gave."""
        return sum((one.versions() for one in self.clients), Counter())

    def after(self) -> set[int]:
        """The versions that answered, once the release was done or undone, what was sent later."""
        return {
            int(result.version)
            for one in self.clients
            for when, result in one.results[-20:]
            if result.error is None and when > self.ended
        }


@dataclass
class World:
    """The servers and what they serve.

    Attributes:
        root: The repository.
        servers: Over it.
        pictures: What the clients ask about.
        truth: What each version computes, by its number.
        seen: What became of each release, in order.
    """

    root: Path | Address
    servers: Sequence[TritonServer]
    pictures: Sequence[Path]
    truth: dict[int, Release]
    seen: list[Seen] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return open_store(self.root)

    @property
    def current(self) -> int:
        """What the record names."""
        return read_state(self.store, MODEL).current

    def urls(self, protocol: str) -> list[str]:
        """The servers' addresses."""
        return [one.grpc_url if protocol == "grpc" else f"http://{one.http_url}" for one in self.servers]

    @property
    def mixed(self) -> list[str]:
        """The servers' addresses, every other one of HTTP."""
        pairs = zip(self.urls("grpc"), self.urls("http"), strict=True)
        return [pair[number % 2] for number, pair in enumerate(pairs)]

    def stage(self, version: Version) -> int:
        number = artifacts.stage(self.root, version)
        self.truth[number] = version.served
        return number

    def loaded(self, without: Sequence[int] = ()) -> dict[int, list[str]]:
        """The versions that each server calls ready, but for some of the servers."""
        numbers = [number for number in range(len(self.servers)) if number not in without]
        return {number: self.servers[number].ready_versions().get(MODEL, []) for number in numbers}

    def await_loaded(self, version: int, without: Sequence[int] = ()) -> None:
        """Return when each has this version alone: Triton gives the one before up a moment after it has the next."""
        wait_until(lambda: all(one == [str(version)] for one in self.loaded(without).values()), TIMEOUT)

    @contextmanager
    def rollout(self, urls: Sequence[str], tell: Callable[[str], None]) -> Iterator[Rollout]:
        def switch(model: str, version: int, overlap: bool, expected: Record | None) -> None:
            with open_repository(self.root) as repository:
                repository.switch(model, version, overlap=overlap, expected=expected)

        with Fleet(urls, Reach({}, timeout=TIMEOUT)) as fleet:
            yield Rollout(self.store, fleet, tell, switch)

    def release(
        self, canary: int = 0, disturb: Callable[[str], None] = lambda _: None, *, overlap: bool = False
    ) -> Seen:
        """Release the newest staged version while the clients ask.

        Args:
            canary: As `Rollout.release` has it.
            disturb: Gets each sentence on the way, and may do what it likes.
            overlap: As `Rollout.release` has it.
        """
        seen = Seen()
        clients = [Client(self.urls(protocol), protocol, self.pictures) for protocol in CLIENTS]
        with ExitStack() as stack:
            for client in clients:
                client.start()
                stack.callback(client.end)
            wait_until(lambda: all(len(one.told.results) > PICTURES or one.told.failure for one in clients), TIMEOUT)

            def tell(sentence: str) -> None:
                seen.told.append(sentence)
                disturb(sentence)

            with self.rollout(self.mixed, tell) as rollout:
                try:
                    seen.released = rollout.release(MODEL, canary=canary, overlap=overlap)
                except ReleaseError as error:
                    seen.reason = str(error)
            seen.ended = time.monotonic()
            counts = [len(one.told.results) for one in clients]
            wait_until(
                lambda: all(
                    len(one.told.results) > count + 4 * PICTURES or one.told.failure
                    for one, count in zip(clients, counts, strict=True)
                ),
                TIMEOUT,
            )
        seen.clients = [client.told for client in clients]
        self.seen.append(seen)
        return seen

    def kill(self, number: int) -> None:
        """End a server as a machine does that fails."""
        os.kill(self.servers[number].pid, signal.SIGKILL)

    def revive(self, number: int) -> None:
        """Start it again, on the ports that it had."""
        self.servers[number].stop()
        self.servers[number].start()

    def problems(self, seen: Seen) -> list[str]:
        """All that must not be, whatever came of the release."""
        found = [one.failure for one in seen.clients if one.failure]
        found += [text for one in seen.clients for text in one.wrong(self.truth)]
        found += [f"{seen.lost()} requests were lost"] if seen.lost() else []
        stale = seen.after() - {self.current}
        return found + [f"version {version} answers after all" for version in sorted(stale)]


@contextmanager
def world(place: Path, mode: ModelControlMode = "explicit", servers: int = 3) -> Iterator[World]:
    """Servers with the first version, in a new directory."""
    (place / "pictures").mkdir(parents=True)
    pictures = draw_pictures(place / "pictures", PICTURES)
    root, first = place / "models", artifacts.right_one(1.0)
    assert artifacts.publish(root, first) == 1
    made = [ShortLived(root, model_control_mode=mode) for _ in range(servers)]
    with running(made):
        yield World(root, made, pictures, {1: first.served})
