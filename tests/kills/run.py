"""A whole run: repository, server, clients, kills, and a look at what is left."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ShortLived, beside
from tests.kills.clients import Answers, Client
from tests.kills.kill import Killer, Kills, failed_loads, loads, strangers
from tests.kills.publisher import publish
from tests.kills.releases import prepare
from tests.live.releases import draw_pictures
from tritonrepo.repository.doctor import examine_repository, examine_store
from tritonrepo.repository.findings import Finding
from tritonrepo.repository.store.address import Address, open_store
from tritonrepo.serve.sync import Follower
from tritonrepo.serve.triton import TritonServer

RELEASE = "26.11"
PICTURES = 12
KNOWN = ("models", "cache", "pictures", "prepared", "temporary")


@dataclass(frozen=True)
class Run:
    """What was done and seen.

    Attributes:
        kills: What was done to the writers.
        answers: Of each client, by protocol.
        loads: How often the server loaded a version.
        failed_loads: Lines of its log.
        findings: What the doctor says would keep a server from loading.
        strangers: What lies beside the repository at the end.
    """

    kills: Kills
    answers: dict[str, Answers]
    loads: int
    failed_loads: list[str]
    findings: list[str]
    strangers: list[str]

    def problems(self) -> list[str]:
        """All that must not be."""
        kills = self.kills
        of_clients = [text for one in self.answers.values() for text in (*one.wrong, *one.errors, *one.otherwise())]
        of_writers = [*kills.unloaded, *kills.faults, *kills.left]
        return [*of_clients, *of_writers, *self.failed_loads, *self.findings, *self.strangers]


def run(
    place: Path,
    count: int,
    seed: int,
    every: int,
    bucket: Address | None = None,
    go_on: Callable[[Kills], bool] = lambda kills: True,
) -> Run:
    """Kill `count` writers of a repository in `place`, with a server that polls it and two clients at work.

    Args:
        place: An empty directory, or one with a repository of the first version.
        count: How many kills.
        seed: Of their moments.
        every: Of so many kills one is of a whole command; 0: none is.
        bucket: Where the repository is instead.
        go_on: Gets what was done so far, after each kill, and says whether there is to be another.
    """
    for name in KNOWN[1:]:
        (place / name).mkdir()
    pictures = draw_pictures(place / "pictures", PICTURES)
    models = bucket or place / "models"
    prepare(place / "prepared", 1)
    publish(models, place / "prepared")
    with following(models) as server:
        urls = {"grpc": server.grpc_url, "http": server.http_url}
        clients = {protocol: Client(url, protocol, pictures) for protocol, url in urls.items()}
        for client in clients.values():
            client.start()
        try:
            killer = _kill_all(Killer(server, models, place, seed), count, every, go_on)
        finally:
            answers = {protocol: client.end() for protocol, client in clients.items()}
        log = server.log()
    findings = [f"{one.subject}: {one.text}" for one in examine(models) if one.level == "fail"]
    return Run(killer.kills, answers, loads(log), failed_loads(log), findings, strangers(place, KNOWN))


@contextmanager
def following(models: Path | Address) -> Iterator[TritonServer]:
    """A server that looks at the repository each second.

    Triton's own polling sees no change in Azure's store: there it is told what to load, as `serve --poll` does.
    """
    if isinstance(models, Path) or models.scheme != "as":
        with ShortLived(models, model_control_mode="poll", repository_poll_secs=1) as server:
            yield server
        return
    ended = threading.Event()
    with ShortLived(models) as server:
        follower = Follower(server, lambda sentence: None, threading.Lock())

        def look() -> None:
            while not ended.wait(1):
                follower.look()

        with beside(look, ended):
            yield server


def examine(models: Path | Address) -> list[Finding]:
    """What the doctor finds."""
    if isinstance(models, Path):
        return examine_repository(models, RELEASE)
    return examine_store(open_store(models), RELEASE)


def _kill_all(killer: Killer, count: int, every: int, go_on: Callable[[Kills], bool]) -> Killer:
    for number in range(1, count + 1):
        if every and number % every == 0:
            killer.kill_command()
        else:
            killer.kill_publish()
        if not go_on(killer.kills):
            break
    killer.finish()
    return killer
