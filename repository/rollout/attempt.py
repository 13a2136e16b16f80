"""A release under way: which servers get the version when, and when the record names it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tritonrepo.client.versions import LOOK_SECONDS
from tritonrepo.repository.layout import parse_config
from tritonrepo.repository.rollout.golden import Expected
from tritonrepo.repository.rollout.means import Means
from tritonrepo.repository.rollout.servers import Server
from tritonrepo.repository.rollout.undo import Had, Undo
from tritonrepo.repository.state import State, own_configuration, read_state
from tritonrepo.repository.store.seam import ConflictError

OVERLAP_SECONDS = 5 * LOOK_SECONDS
"""For which both versions stay loaded when all servers have the new one: clients that ask by number look for it."""


class Attempt:
    """A release, which knows how it is undone."""

    def __init__(self, means: Means, before: State, expected: Expected, beside: int, had: Had) -> None:
        """Prepare; nothing is done yet.

        Args:
            means: With which it is made.
            before: The model as it stands.
            expected: The version, and what it has to answer.
            beside: The version that stays loaded until all have the new one, 0 for none.
            had: What the servers have.
        """
        self._means, self._before, self._expected, self._beside = means, before, expected, beside
        self._had = had
        self._told: list[Server] = []
        self._committed = before.current == expected.version

    def make(self, groups: Sequence[Sequence[Server]]) -> None:
        """Do it, group after group. Raises `FleetError` where a server fails."""
        fleet, model, version = self._means.fleet, self._before.model, self._expected.version
        for group in groups:
            self._told += group
            fleet.each(group, self._try)
        known = self._before
        if known.served != (version,):
            self._commit()
            self._means.tell(f"{model}: the record names version {version}")
            known = read_state(self._means.store, model)
        fleet.each(fleet.servers, self._settle)
        if self._beside:
            self._give_up(known)

    def undo(self) -> str:
        """Have all as it was; what became of that, in words."""
        undo = Undo(self._means, self._before, self._expected.version, self._had)
        return undo.run(self._told, committed=self._committed)

    def _try(self, server: Server) -> None:
        """Load the version on a server that is told so, and ask it, while the record still names the one before."""
        state, version = self._before, self._expected.version
        text = state.record_of(own_configuration(self._means.store, state, version), version, self._beside)
        server.load(state.model, parse_config(text, state.model))
        self._means.see(server, self._expected)

    def _commit(self) -> None:
        """Have the record name the version. Raises `ConflictError` if somebody else has moved it meanwhile."""
        self._committed = True  # whatever ends it
        try:
            self._means.switch(self._before.model, self._expected.version, bool(self._beside), self._before.record)
        except ConflictError:
            self._committed = False
            raise

    def _settle(self, server: Server) -> None:
        """Wait for the version on a server that follows the record, and bring the ensembles that stand on it."""
        if server.follows:
            self._means.see(server, self._expected)
        for ensemble in self._means.ensembles(self._before.model):
            ensemble.bring(server)

    def _give_up(self, known: State) -> None:
        """Leave the version before loaded for as long as clients need to see the new one, then have it unloaded.

        All servers answer from the new one by now, so what somebody else commits meanwhile undoes nothing.
        """
        means, model = self._means, known.model
        means.tell(f"{model}: version {self._beside} stays loaded beside it for {OVERLAP_SECONDS:g} s")
        time.sleep(OVERLAP_SECONDS)
        try:
            known = self._name_alone(known)
        except ConflictError:
            means.tell(
                f"{model}: its record was changed by somebody else meanwhile; servers under model control keep both "
                "versions until they are given the next"
            )
            return
        means.fleet.each(means.fleet.controlled, lambda one: means.bring(one, known, self._expected))
        means.tell(f"{model}: version {self._beside} is given up")

    def _name_alone(self, known: State) -> State:
        """Have the record name no version beside the new one. Raises `ConflictError` if somebody else has moved it."""
        store, model, version = self._means.store, known.model, self._expected.version
        if known.served != (version,):
            self._means.switch(model, version, False, known.record)
            return read_state(store, model)
        if read_state(store, model).record != known.record:
            raise ConflictError(f"{store.address}/{model}: its record was changed by somebody else")
        return known
