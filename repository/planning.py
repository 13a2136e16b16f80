"""What a publication, a switch or a rollback takes: for each model a version, its files, and its configuration."""

from collections.abc import Sequence
from dataclasses import dataclass

from tritonrepo.client.errors import UsageError
from tritonrepo.repository import encoded_dali
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.commit import Step
from tritonrepo.repository.encoded import (
    DALI_SUFFIX,
    Encoded,
    Part,
    fetch_code,
    find_followers,
    make_ensemble,
    part_of,
    read_part,
)
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import LARGEST_VERSION
from tritonrepo.repository.overlap import changes_from, check_beside
from tritonrepo.repository.record import own_text
from tritonrepo.repository.staging import Staging
from tritonrepo.repository.state import State, own_configuration, own_labels, read_state
from tritonrepo.repository.store.seam import ConflictError, Record, Store


@dataclass(frozen=True)
class Plan:
    """What is to become of one candidate.

    Attributes:
        model: Its model.
        version: The number that it has, or will have.
        status: `published`, `staged` or `unchanged`, if all goes well.
        changes: What of the contract differs from the version that is served.
        step: What is to be done. None: nothing.
    """

    model: str
    version: int
    status: str
    changes: tuple[str, ...] = ()
    step: Step | None = None


class Planner:
    """Prepares versions. The store is read, and not written."""

    def __init__(self, store: Store, staging: Staging) -> None:
        self._store, self._staging = store, staging

    def check(self, name: str) -> State:
        """How the model `name` stands; cheap.

        Raises:
            PublishError: No version can be added to it.
        """
        state, where = read_state(self._store, name), f"{self._store.address}/{name}"
        if (state.record or state.versions) and not (state.published or state.ours):
            raise PublishError(
                f"{where}: was not made by this exporter (no version has a manifest); move it away first"
            )
        if state.following > LARGEST_VERSION:
            raise PublishError(f"{where}: holds version {state.following - 1}, and Triton cannot count further")
        return state

    def publication(self, candidate: Candidate, keep: int | None, *, overlap: bool = False) -> Plan:
        """To serve a candidate. Raises as `Repository.publish`."""
        state = self.check(candidate.name)
        if state.record and state.current and candidate.is_version(self._store, state.current, state.record.text):
            return Plan(candidate.name, state.current, "unchanged")
        return self._addition("published", state, candidate, keep, overlap=overlap)

    def staging(self, candidate: Candidate) -> Plan:
        """To add a candidate without serving it. Raises as `Repository.stage`."""
        state = self.check(candidate.name)
        if state.record and state.current and candidate.is_version(self._store, state.current, state.record.text):
            return Plan(candidate.name, state.current, "unchanged")
        for number in state.staged[-1:]:
            if candidate.is_version(self._store, number, own_configuration(self._store, state, number)):
                return Plan(candidate.name, number, "staged")
        return self._addition("staged", state, candidate, None)

    def ensemble(self, encoded: Encoded, part: Part, keep: int | None) -> list[Plan]:
        """To serve the steps of an ensemble, and last itself."""
        plans: list[Plan] = []

        def stage(candidate: Candidate) -> int:
            plans.append(self.publication(candidate, keep))
            return plans[-1].version

        make = encoded_dali.make_ensemble if encoded.name.endswith(DALI_SUFFIX) else make_ensemble
        make(encoded, part, self._staging.workspace(encoded.name), stage)
        return plans

    def switch(self, name: str, version: int, *, overlap: bool = False, expected: Record | None = None) -> list[Step]:
        """To serve a version that is there, and to have the ensembles on the model follow. Raises as `Repository`."""
        self._refuse_follower(name)
        state = read_state(self._store, name)
        if expected is not None and state.record != expected:
            raise ConflictError(f"{self._store.address}/{name}: its record was changed by somebody else meanwhile")
        if version not in state.published:
            raise UsageError(f"{self._store.address}/{name}: has no version {version} that was published")
        text = own_configuration(self._store, state, version)
        beside = self._beside(state, version, text, own_labels(self._store, state, version)) if overlap else 0
        steps = [Step(state, version, text, beside=beside)]
        for follower in find_followers(self._store, name):
            code = fetch_code(self._store, follower, self._staging.workspace(follower))
            part = read_part(self._store, name, version)
            plans = self.ensemble(Encoded(follower, name, code), part, None)
            steps += [plan.step for plan in plans if plan.step]
        return steps

    def earlier(self, name: str) -> int:
        """The version to which a model goes back. Raises `PublishError` if it cannot."""
        self._refuse_follower(name)
        state, where = self.check(name), f"{self._store.address}/{name}"
        if state.current and state.current not in state.published:
            raise PublishError(f"{where}: version {state.current} has no manifest, so it is not ours to withdraw")
        if not state.before:
            count = len({*state.released} & {*state.published})
            raise PublishError(f"{where}: holds {count} version(s); a rollback needs an older one to go back to")
        return state.before

    def _addition(
        self, status: str, state: State, candidate: Candidate, keep: int | None, *, overlap: bool = False
    ) -> Plan:
        """A new version of the candidate's model; its files are laid out."""
        version, text = state.following, own_text(candidate.config, state.following)
        changes = changes_from(self._store, state, state.current, text, candidate.labels)
        beside = self._beside(state, version, text, candidate.labels) if overlap else 0
        source = self._staging.workspace(candidate.name) / str(version)
        candidate.lay_out(version, source)
        step = Step(state, version, text, source, beside, keep)
        return Plan(candidate.name, version, status, changes, step)

    def _refuse_follower(self, name: str) -> None:
        """Raise `PublishError` if a model is an ensemble, or the step of one: it goes with what it stands on."""
        if part := part_of(self._store, name):
            where = f"{self._store.address}/{name}"
            raise PublishError(f"{where}: follows {part}; roll that back or release it, and this goes with it")

    def _beside(self, state: State, version: int, text: str, labels: Sequence[str]) -> int:
        """The version that stays loaded beside another, 0 if none is loaded. Raises `PublishError` if it cannot."""
        if not state.current or version == state.current:
            return 0
        check_beside(self._store, state, state.current, version, text, labels)
        return state.current
