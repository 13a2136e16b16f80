"""One release or rollback on given servers: loaded, asked, and only then released; else undone.

A server under model control loads the new version before the record names it, by the configuration that goes along with
the request. So the record moves when all such servers have answered as they should. A server that follows its
repository by itself takes a version only when the record names it: it is asked afterwards, and if it fails the record
moves back.

Where the version before is to overlap, every server has both until all have answered from the new one, and for a while
that clients need to see it; then the record, and every server, gives the older one up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tritonrepo.client.errors import TritonRepoError, UsageError
from tritonrepo.repository.encoded import find_followers, part_of
from tritonrepo.repository.overlap import check_beside
from tritonrepo.repository.rollout.attempt import Attempt
from tritonrepo.repository.rollout.errors import ReleaseError
from tritonrepo.repository.rollout.examine import examine, expect
from tritonrepo.repository.rollout.fleet import FleetError
from tritonrepo.repository.rollout.golden import Expected
from tritonrepo.repository.rollout.means import Means
from tritonrepo.repository.rollout.servers import Loaded, Server
from tritonrepo.repository.rollout.strangers import refuse_stranger
from tritonrepo.repository.rollout.undo import Had, version_before
from tritonrepo.repository.state import State, own_configuration, read_state


@dataclass
class Rollout(Means):
    """What releases and rollbacks are made with.

    Nobody else may give servers versions of the model meanwhile: hold it, `Store.hold`.

    Attributes:
        public_key: With which a version has to be signed that is released. None: it need not be.
    """

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
        had = self._meet(state, chosen)
        groups, attempt = self.fleet.groups(canary), Attempt(self, state, expected, beside, had)
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
        if other := version_before(state, expected.version):
            text = own_configuration(self.store, state, expected.version)
            check_beside(self.store, state, other, expected.version, text, expected.labels)
        return other

    def _meet(self, state: State, version: int) -> Had:
        """What the servers have; each is there, and may serve this repository. Raises `ReleaseError`."""
        models = [state.model, *find_followers(self.store, state.model)]
        had: dict[str, dict[str, Loaded]] = {}

        def look(server: Server) -> None:
            had[server.url] = server.loaded(models)
            refuse_stranger(self.store, state, had[server.url][state.model])

        try:
            self.fleet.meet()
            self.fleet.each(self.fleet.servers, look)
        except FleetError as failure:
            raise ReleaseError(
                f"{state.model}: version {version} is not released, and nothing was changed: {failure}"
            ) from failure
        return had

    def take(self, model: str) -> None:
        """Have every server take what the record names, and see that it answers from it, or leave it what it had.

        Raises:
            ReleaseError: Some do not; the message names them.
        """
        state = read_state(self.store, model)
        expected = expect(self.store, model, state.current)
        ensembles = self.ensembles(model)

        def take(server: Server) -> None:
            server.meet()
            had = server.loaded([model, *(one.config.name for one in ensembles)])
            refuse_stranger(self.store, state, had[model])
            with server.changed(had):
                self.bring(server, state, expected)
                for ensemble in ensembles:
                    ensemble.bring(server)

        if failures := self.fleet.failures(self.fleet.servers, take):
            raise ReleaseError(
                f"{model}: the record names version {state.current}, and not every server answers from it: "
                f"{FleetError(failures)}\nWhen it can, have it take that: {again(model, state.current)}"
            )


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
