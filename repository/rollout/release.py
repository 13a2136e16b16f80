"""One release or rollback on given servers: loaded, asked, and only then released; else undone.

A server under model control loads the new version before the record names it, by the configuration that goes along with
the request. So the record moves when all such servers have answered as they should. A server that follows its
repository by itself takes a version only when the record names it: it is asked afterwards, and if it fails the record
moves back.

Where the version before is to overlap, every server has both until all have answered from the new one, and for a while
that clients need to see it; then the record, and every server, gives the older one up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tritonrepo.client.errors import TritonRepoError, UsageError
from tritonrepo.client.versions import LOOK_SECONDS
from tritonrepo.repository.encoded import find_followers, part_of
from tritonrepo.repository.layout import parse_config
from tritonrepo.repository.overlap import check_beside
from tritonrepo.repository.rollout.ensembles import Ensemble, read_ensemble
from tritonrepo.repository.rollout.errors import ReleaseError
from tritonrepo.repository.rollout.examine import examine, expect
from tritonrepo.repository.rollout.fleet import Fleet, FleetError
from tritonrepo.repository.rollout.golden import Expected, judge
from tritonrepo.repository.rollout.servers import Server
from tritonrepo.repository.state import State, own_configuration, read_state
from tritonrepo.repository.store.seam import ConflictError, Record, Store

Switch = Callable[[str, int, bool, Record | None], object]
"""Commits a version of a model, by its number; whether the one that is served stays loaded beside it; and the record
that has to be there still, if that matters. Raises `ConflictError` if it is another."""
Tell = Callable[[str], None]
"""Takes a sentence on what was done."""
OVERLAP_SECONDS = 5 * LOOK_SECONDS
"""For which both versions stay loaded when all servers have the new one: clients that ask by number look for it."""


@dataclass
class Rollout:
    """What is released, where to, and how it is told.

    Attributes:
        store: Where the versions lie.
        fleet: The servers.
        tell: Takes a sentence on each step; from several threads.
        switch: Commits a version; what goes back to what is committed needs none.
        public_key: With which a version has to be signed that is released. None: it need not be.
    """

    store: Store
    fleet: Fleet
    tell: Tell
    switch: Switch = field(default=lambda model, version, overlap, expected: None)
    public_key: Path | None = None

    def release(self, model: str, version: int | None = None, canary: int = 0, *, overlap: bool = False) -> int:
        """Release a version, or leave all as it was.

        Args:
            model: Its name.
            version: The number. None: the newest that is staged, or else the one that the record names, for servers
                that have not taken it yet.
            canary: So many of the servers that are told what to load get it first, alone.
            overlap: Keep the version before loaded beside it until all servers answer from it and clients have seen it.

        Returns:
            The version that is released.

        Raises:
            ReleaseError: It is not released; the message says why, and what the servers answer from.
            UsageError: There is no such version, or there are not so many servers.
            PublishError: Two versions cannot be loaded at once.
        """
        if part := part_of(self.store, model):
            raise UsageError(f"{model}: follows {part}; release that, and this goes with it")
        state = read_state(self.store, model)
        chosen = choose(state, version)
        if version is None and (later := max(state.published)) > chosen:
            self.tell(f"{model}: version {later} was withdrawn; to release that, add --version {later}")
        expected = examine(self.store, model, chosen, self.public_key)
        beside = self._beside(state, expected) if overlap else 0
        self._meet(model, chosen)
        groups, attempt = self.fleet.groups(canary), _Attempt(self, state, expected, beside)
        try:
            attempt.make(groups)
        except (TritonRepoError, OSError) as failure:
            raise ReleaseError(f"{model}: version {chosen} is not released: {failure}\n{attempt.undo()}") from failure
        except BaseException:  # interrupted
            self.tell(f"{model}: interrupted; going back, which ends when every server has answered")
            self.tell(attempt.undo())
            raise
        return chosen

    def _beside(self, state: State, expected: Expected) -> int:
        """The version that stays loaded beside another, 0 if there is none. Raises `PublishError` if it cannot."""
        if other := _before(state, expected.version):
            text = own_configuration(self.store, state, expected.version)
            check_beside(self.store, state, other, expected.version, text, expected.labels)
        return other

    def _meet(self, model: str, version: int) -> None:
        try:
            self.fleet.meet()
        except FleetError as failure:
            raise ReleaseError(
                f"{model}: version {version} is not released, and nothing was changed: {failure}"
            ) from failure

    def take(self, model: str) -> None:
        """Have every server take what the record names, and see that it answers from it.

        Raises:
            ReleaseError: Some do not; the message names them.
        """
        state = read_state(self.store, model)
        expected = expect(self.store, model, state.current)
        ensembles = self.ensembles(model)

        def take(server: Server) -> None:
            server.meet()
            self.bring(server, state, expected)
            for ensemble in ensembles:
                ensemble.bring(server)

        if failures := self.fleet.failures(self.fleet.servers, take):
            raise ReleaseError(
                f"{model}: the record names version {state.current}, and not every server answers from it: "
                f"{FleetError(failures)}\nWhen it can, have it take that: {again(model, state.current)}"
            )

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


class _Attempt:
    """A release under way, which knows how it is undone."""

    def __init__(self, rollout: Rollout, before: State, expected: Expected, beside: int) -> None:
        self._rollout, self._before, self._expected, self._beside = rollout, before, expected, beside
        self._told: list[Server] = []
        self._committed = before.current == expected.version

    def make(self, groups: Sequence[Sequence[Server]]) -> None:
        """Do it, group after group. Raises `FleetError` where a server fails."""
        fleet, model, version = self._rollout.fleet, self._before.model, self._expected.version
        for group in groups:
            self._told += group
            fleet.each(group, self._try)
        known = self._before
        if known.served != (version,):
            self._commit()
            self._rollout.tell(f"{model}: the record names version {version}")
            known = read_state(self._rollout.store, model)
        fleet.each(fleet.servers, self._settle)
        if self._beside:
            self._give_up(known)

    def _try(self, server: Server) -> None:
        """Load the version on a server that is told so, and ask it, while the record still names the one before."""
        state, version = self._before, self._expected.version
        text = state.record_of(own_configuration(self._rollout.store, state, version), version, self._beside)
        server.load(state.model, parse_config(text, state.model))
        self._rollout.see(server, self._expected)

    def _commit(self) -> None:
        """Have the record name the version. Raises `ConflictError` if somebody else has moved it meanwhile."""
        self._committed = True  # whatever ends it
        try:
            self._rollout.switch(self._before.model, self._expected.version, bool(self._beside), self._before.record)
        except ConflictError:
            self._committed = False
            raise

    def _is_changed(self, known: State) -> bool:
        return read_state(self._rollout.store, known.model).record != known.record

    def _give_up(self, known: State) -> None:
        """Leave the version before loaded for as long as clients need to see the new one, then have it unloaded."""
        rollout, model, version = self._rollout, known.model, self._expected.version
        rollout.tell(f"{model}: version {self._beside} stays loaded beside it for {OVERLAP_SECONDS:g} s")
        time.sleep(OVERLAP_SECONDS)
        if self._is_changed(known):
            rollout.tell(f"{model}: its record was changed by somebody else meanwhile, and says what stays loaded")
            return
        if known.served != (version,):
            rollout.switch(model, version, False, known.record)
            known = read_state(rollout.store, model)
        rollout.fleet.each(rollout.fleet.controlled, lambda one: rollout.bring(one, known, self._expected))
        rollout.tell(f"{model}: version {self._beside} is given up")

    def _settle(self, server: Server) -> None:
        """Wait for the version on a server that follows the record, and bring the ensembles that stand on it."""
        if server.follows:
            self._rollout.see(server, self._expected)
        for ensemble in self._rollout.ensembles(self._before.model):
            ensemble.bring(server)

    def undo(self) -> str:
        """Go back to the version before, on every server that may have the new one; what became of that, in words."""
        version = self._expected.version
        back = _before(self._before, version)
        if self._committed and not back:
            return f"There is no version before it: the record names version {version}."
        try:
            words = [self._move_back(back)]
        except (TritonRepoError, OSError) as failure:
            words = [f"The record cannot be moved back to version {back}: {failure}"]
        servers = self._rollout.fleet.servers if self._committed else self._told
        failures = self._rollout.fleet.failures(servers, self._return)
        answering = [server.url for server in servers if server.url not in failures]
        if answering and self._current():
            words.append(f"answering from it: {', '.join(answering)}")
        words += [f"not seen answering from it: {FleetError({url: error})}" for url, error in failures.items()]
        return "; ".join(words) + "."

    def _move_back(self, back: int) -> str:
        """Have the record name the version before, unless somebody else has moved it; what it names, in words."""
        state = read_state(self._rollout.store, self._before.model)
        current = state.current
        if self._committed and current == self._expected.version:
            self._rollout.switch(state.model, back, False, state.record)
            return f"The record names version {back} again"
        if current not in (0, back):
            return f"The record names version {current}, by somebody else's doing"
        return f"The record names version {current}" if current else "There is no version before it"

    def _current(self) -> int:
        return read_state(self._rollout.store, self._before.model).current

    def _return(self, server: Server) -> None:
        """Bring a server back to what the record names."""
        state = read_state(self._rollout.store, self._before.model)
        if not state.current:
            if not server.follows:
                server.unload(state.model)
            return
        self._rollout.bring(server, state, expect(self._rollout.store, state.model, state.current))
        for ensemble in self._rollout.ensembles(state.model):
            ensemble.bring(server)


def _before(state: State, version: int) -> int:
    """The version that servers have until they get this one; 0 if there is none."""
    return state.current if state.current != version else state.before


def again(model: str, version: int) -> str:
    """The command that has servers take a version that is served already."""
    return f"tritonrepo release {model} --version {version} --server URL"


def choose(state: State, version: int | None) -> int:
    """The version to release.

    Raises:
        UsageError: It is not there, or there is none.
    """
    chosen = version or max(state.staged, default=state.current)
    if not chosen:
        raise UsageError(f"{state.model}: has no version; export one with --stage")
    if chosen not in state.published:
        has = ", ".join(map(str, state.published)) or "none"
        raise UsageError(f"{state.model}: has no version {chosen} that an export made; it has {has}")
    return chosen
