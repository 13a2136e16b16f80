"""How a release is undone: the record goes back, and each server has again what it had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tritonrepo.client.errors import TritonRepoError
from tritonrepo.repository.rollout.errors import ServerError
from tritonrepo.repository.rollout.examine import expect
from tritonrepo.repository.rollout.fleet import FleetError
from tritonrepo.repository.rollout.means import Means
from tritonrepo.repository.rollout.servers import Loaded, Server
from tritonrepo.repository.state import State, read_state

Had = Mapping[str, Mapping[str, Loaded]]
"""By the address of a server: what it had, when it was met, of the model and of each ensemble that stands on it."""


@dataclass(frozen=True)
class Undo:
    """What is known of a release that is to be undone.

    Attributes:
        means: With which it was made.
        before: The model as it was found.
        version: The one that was to be released.
        had: What the servers had.
    """

    means: Means
    before: State
    version: int
    had: Had

    def run(self, told: Sequence[Server], *, committed: bool) -> str:
        """Go back to the version before, on every server that may have the new one.

        Args:
            told: The servers that were told to load it.
            committed: The record may name it.

        Returns:
            What became of that, in words.
        """
        back = version_before(self.before, self.version)
        try:
            words = [self._move_back(back, committed=committed)]
        except (TritonRepoError, OSError) as failure:
            words = [f"The record cannot be moved back to version {back}: {failure}"]
        servers = self.means.fleet.servers if committed else told
        if committed and not back:  # what has nothing else keeps what the record names
            servers = [server for server in told if self.had[server.url][self.before.model].version]
        now: dict[str, int] = {}

        def act(server: Server) -> None:
            now[server.url] = self._return(server)

        failures = self.means.fleet.failures(servers, act)
        words += self._say({server.url: now[server.url] for server in servers if server.url in now})
        words += [f"not seen answering from it: {FleetError({url: error})}" for url, error in failures.items()]
        return "; ".join(words) + "."

    def _move_back(self, back: int, *, committed: bool) -> str:
        """Have the record name the version before, unless somebody else has moved it; what it names, in words."""
        state = self._state()
        current = state.current
        if committed and not back:
            return f"There is no version before it: the record names version {current}"
        if committed and current == self.version:
            self.means.switch(state.model, back, False, state.record)
            return f"The record names version {back} again"
        if current not in (0, back):
            return f"The record names version {current}, by somebody else's doing"
        return f"The record names version {current}" if current else "There is no version before it"

    def _return(self, server: Server) -> int:
        """Bring a server back to what it had; or, if that was what the record named, to what the record names now.

        Returns:
            The version that it has then, 0 for none.
        """
        state, had = self._state(), self.had[server.url]
        version = had[state.model].version
        if server.follows or (version == self.before.current and state.current not in (0, version)):
            with server.changed(had):
                self._follow(server, state)
            return state.current
        try:
            server.give_back(had)
        except TritonRepoError:
            if not state.current:
                raise
            self._follow(server, state)  # what it had may have been pruned
            return state.current
        try:
            if version == state.current:
                self._follow(server, state, told=True)
        except ServerError as fault:
            raise ServerError(f"has again what it had, which {fault}") from fault
        return version

    def _follow(self, server: Server, state: State, *, told: bool = False) -> None:
        """Have a server that is not told yet take what the record names, and see it answer from that."""
        if not state.current:
            return
        expected = expect(self.means.store, state.model, state.current)
        if told:
            self.means.see(server, expected)
        else:
            self.means.bring(server, state, expected)
        for ensemble in self.means.ensembles(state.model):
            ensemble.bring(server)

    def _say(self, now: Mapping[str, int]) -> list[str]:
        """What the servers have that were brought back, by their addresses."""
        current = self._state().current
        answering = [url for url, version in now.items() if version == current != 0]
        others = [f"{url} ({f'version {n}' if n else 'none'})" for url, n in now.items() if url not in answering]
        words = [f"answering from it: {', '.join(answering)}"] if answering else []
        return words + ([f"with what they had before: {', '.join(others)}"] if others else [])

    def _state(self) -> State:
        return read_state(self.means.store, self.before.model)


def version_before(state: State, version: int) -> int:
    """The version that servers have until they get this one; 0 if there is none."""
    return state.current if state.current != version else state.before
