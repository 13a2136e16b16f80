"""A whole run: two servers, each with a repository of its own, that get one release after the other at other times."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.conftest import ShortLived, running, wait_until
from tests.live.releases import MODEL, draw_pictures, publish
from tests.versions.answers import Seen
from tests.versions.clients import Command, LongLived
from tests.versions.releases import release_of
from tritonrepo.serve.triton import TritonServer

Mode = Literal["explicit", "poll"]
PROTOCOLS = ("grpc", "http")
LASTING = 20
"""Pictures of a long-lived client, again and again."""
AHEAD = 50
"""Pictures that a command may have answers for before they are read: so many are left for the last version."""
LOAD_SECONDS = 120.0


@dataclass(frozen=True)
class Site:
    """A server and its repository."""

    repository: Path
    server: TritonServer
    mode: Mode

    def release(self, version: int) -> None:
        """Publish, and wait until the server has taken it."""
        publish(self.repository, version, release_of(version))
        if self.mode == "explicit":
            self.server.load(MODEL)
        wait_until(lambda: self.server.is_ready(MODEL, str(version)), LOAD_SECONDS)

    def url(self, protocol: str) -> str:
        """Where it answers."""
        return self.server.grpc_url if protocol == "grpc" else self.server.http_url


def run(place: Path, images: int, releases: int, mode: Mode, seed: int) -> dict[str, Seen]:
    """Classify while `releases` versions follow each other; what each client saw, by its name.

    Args:
        place: An empty directory.
        images: For each command; the long-lived clients go on as long as there are releases.
        releases: How many versions, the first included.
        mode: How the servers learn of a release.
        seed: Of who gets a release first.
    """
    (place / "pictures").mkdir()
    pictures = draw_pictures(place / "pictures", images)
    with _sites(place, mode) as sites, ExitStack() as stack:
        urls = {protocol: [site.url(protocol) for site in sites] for protocol in PROTOCOLS}
        lasting = [
            LongLived(urls["grpc"], "grpc", pictures[:LASTING], awaited=False),
            LongLived(urls["http"], "http", pictures[:LASTING], awaited=True),
        ]
        for client in lasting:
            client.start()
            stack.callback(client.end)
        commands = {protocol: Command(urls[protocol], protocol, pictures) for protocol in PROTOCOLS}
        for command in commands.values():
            stack.callback(command.stop)
        _release_all(sites, list(commands.values()), releases, images, random.Random(seed))
        found = {f"`classify` over {protocol}": command.end() for protocol, command in commands.items()}
        return found | {client.name: client.end() for client in lasting}


@contextmanager
def _sites(place: Path, mode: Mode) -> Iterator[list[Site]]:
    """Two servers, of which each has a repository with the first version."""
    found = []
    for name in ("one", "two"):
        repository = place / name / "models"
        repository.parent.mkdir()
        publish(repository, 1, release_of(1))
        found.append(Site(repository, ShortLived(repository, model_control_mode=mode), mode))
    with running([site.server for site in found]):
        yield found


def _release_all(
    sites: Sequence[Site], commands: Sequence[Command], releases: int, images: int, moments: random.Random
) -> None:
    """Each version on one server, then on the other, while the commands take a share of their pictures each time."""
    share = (images - AHEAD) // (len(sites) * (releases - 1) + 1)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda command: command.read(share), commands))
        for version in range(2, releases + 1):
            for site in moments.sample(sites, len(sites)):
                reading = [pool.submit(command.read, share) for command in commands]
                site.release(version)
                for one in reading:
                    one.result()
