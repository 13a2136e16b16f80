"""Who classifies: a fleet of servers, or a server of each worker's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from tritonrepo.client.classifier import Classifier
from tritonrepo.client.connection import PATIENCE, Connection
from tritonrepo.client.options import Options
from tritonrepo.client.pipeline import batch_size
from tritonrepo.client.records import untrained_warning


@dataclass(frozen=True)
class Service:
    """Who is asked, from any node of a cluster.

    Attributes:
        url: The fleet, as `Classifier` takes it; unused where `open_server` is given.
        open_server: Starts a server for one worker and gives its address, until its block ends.
        model: Its name; by default the only one that is ready.
        version: The only version to ask; by default the newest.
        labels: To use instead of the server's.
        connection: How to reach the servers.
        patience: Seconds to go on trying while no server answers.
        shared_memory: Hand images over in shared memory.
    """

    url: str = "localhost"
    open_server: Callable[[], AbstractContextManager[str]] | None = None
    model: str | None = None
    version: int | None = None
    labels: Sequence[str] | None = None
    connection: Connection | None = None
    patience: float = PATIENCE
    shared_memory: bool = False

    @contextmanager
    def open(self) -> Iterator[Classifier]:
        """A classifier, and before it the worker's own server, if it has one.

        Raises:
            TritonRepoError: As `Classifier`, or the server cannot be started.
        """
        with (
            self.open_server() if self.open_server else nullcontext(self.url) as url,
            Classifier(
                url,
                self.model,
                version=self.version,
                connection=self.connection,
                labels=self.labels,
                patience=self.patience,
                shared_memory=self.shared_memory,
            ) as classifier,
        ):
            yield classifier


@dataclass(frozen=True)
class Present:
    """Who answers now.

    Attributes:
        model: Its name.
        version: The version that answers.
        contract: The digest of its contract and labels.
        warning: What is to be said of untrained weights.
    """

    model: str
    version: str
    contract: str
    warning: str | None


def look(service: Service, options: Options) -> Present:
    """Ask who answers, and whether it takes batches of the wanted size.

    Raises:
        TritonRepoError: As `Service.open`, or the batch is too large.
    """
    with service.open() as classifier:
        versions = classifier.versions
        version = versions.answering()
        contract = versions.contract(version)
        batch_size(options, contract)
        return Present(contract.name, version, versions.digest(version), untrained_warning(contract))
