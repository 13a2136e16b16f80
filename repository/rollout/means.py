"""What a release works with: the store, the servers, and what is done with each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tritonrepo.repository.encoded import find_followers
from tritonrepo.repository.layout import parse_config
from tritonrepo.repository.rollout.ensembles import Ensemble, read_ensemble
from tritonrepo.repository.rollout.fleet import Fleet
from tritonrepo.repository.rollout.golden import Expected, judge
from tritonrepo.repository.rollout.servers import Server
from tritonrepo.repository.state import State
from tritonrepo.repository.store.seam import Record, Store

Switch = Callable[[str, int, bool, Record | None], object]
"""Commits a version of a model, by its number; whether the one that is served stays loaded beside it; and the record
that has to be there still, if that matters. Raises `ConflictError` if it is another."""
Tell = Callable[[str], None]
"""Takes a sentence on what was done."""


@dataclass
class Means:
    """What is released, where to, and how it is told.

    Attributes:
        store: Where the versions lie.
        fleet: The servers.
        tell: Takes a sentence on each step; from several threads.
        switch: Commits a version; what goes back to what is committed needs none.
    """

    store: Store
    fleet: Fleet
    tell: Tell
    switch: Switch = field(default=lambda model, version, overlap, expected: None)

    def bring(self, server: Server, state: State, expected: Expected) -> None:
        """Have a server serve what a record names, and ask it.

        Raises:
            ServerError: It does not, or answers wrongly.
            MissingError: It does not answer.
        """
        assert state.record is not None, "a record names the version"
        if not server.follows:
            server.load(state.model, parse_config(state.record.text, state.model))
        self.see(server, expected)

    def see(self, server: Server, expected: Expected) -> None:
        """Wait until a server has a version, and ask it. Raises as `bring`."""
        server.wait(expected.model, expected.version)
        judge(server.patient, expected)
        self.tell(f"{server.url}: {expected.model} answers rightly from version {expected.version}")

    def ensembles(self, model: str) -> list[Ensemble]:
        """Those that stand on a model, as they are committed now."""
        return [read_ensemble(self.store, name) for name in find_followers(self.store, model)]
