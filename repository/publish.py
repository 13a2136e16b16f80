"""The only writer of a model repository: versions are written whole, and one record says which of them is served.

A running server may read the repository at any instant. A new version is prepared outside, arrives in one step while no
record names it, and is served when the record is replaced, in one step too. A process killed at any moment leaves the
record as it was or the new one, and perhaps a version that nobody serves, which a later publication prunes.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tritonrepo.client.errors import UsageError
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.commit import go_live, stage
from tritonrepo.repository.encoded import Encoded, part_from_text
from tritonrepo.repository.errors import PublishError, SignatureError
from tritonrepo.repository.files import write_errors
from tritonrepo.repository.formats import FORMATS
from tritonrepo.repository.planning import Plan, Planner
from tritonrepo.repository.prune import InUse, Pruned, prune
from tritonrepo.repository.signature import check
from tritonrepo.repository.staging import Staging, open_scratch, open_staging
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.address import Address, open_store
from tritonrepo.repository.store.local import LocalStore, find_scratch
from tritonrepo.repository.store.seam import Record, Store


@dataclass(frozen=True)
class Publication:
    """What `publish` did.

    Attributes:
        version: The number that is now served, or staged.
        status: `published`, `staged` or `unchanged`.
        pruned: The versions that were removed.
        changes: What of the contract differs from the version that was served before, a phrase each.
        left: The versions that were to be removed and could not be.
    """

    version: int
    status: str
    pruned: tuple[int, ...] = ()
    changes: tuple[str, ...] = ()
    left: tuple[int, ...] = ()


class Repository:
    """A model repository open for writing; get one from `open_repository`."""

    def __init__(self, store: Store, staging: Staging, in_use: InUse = lambda _: ()) -> None:
        """Prepare.

        Args:
            store: Where it lies.
            staging: Where its versions are prepared.
            in_use: Returns which versions of a model servers have loaded; these are not pruned.
        """
        self.store = store
        self._staging, self._in_use = staging, in_use
        self._planner = Planner(store, staging)

    def workspace(self, name: str) -> Path:
        """A new directory, out of every server's sight, for the artifact of a model."""
        with write_errors(self.store.address):
            return self._staging.workspace(name)

    def check(self, name: str) -> None:
        """Raise `PublishError` unless a version can be added to the model `name`; cheap, so done before long work."""
        self._planner.check(name)

    def publish(
        self, candidates: Sequence[Candidate], keep: int, encoded: Sequence[Encoded] = (), *, overlap: bool = False
    ) -> list[Publication]:
        """Serve each candidate as the next version of its model, and prune what a rollback does not reach any more.

        All are prepared before the first goes live. The same artifact under the same configuration and labels makes no
        new version. Any change does: clients hold what they know of a model to its version.

        Args:
            candidates: What is published.
            keep: How many versions of each model.
            encoded: The ensembles that are to stand on what is published.
            overlap: Keep the version before loaded beside the new one.

        Returns:
            What was done for each candidate, then for each ensemble.

        Raises:
            PublishError: A model's directory cannot be ours, or two versions cannot be loaded at once.
            ConflictError: Another writer was there first.
            MissingError: The place refuses.
        """
        with write_errors(self.store.address):
            plans = [self._planner.publication(candidate, keep, overlap=overlap) for candidate in candidates]
            parts = {one.name: (one, plan.version) for one, plan in zip(candidates, plans, strict=True)}
            ensembles = []
            for ensemble in encoded:
                one, version = parts[ensemble.part]
                part = part_from_text(one.config, version, one.labels, one.manifest)
                ensembles.append(self._planner.ensemble(ensemble, part, keep))
            pieces = [*plans, *(plan for pieces in ensembles for plan in pieces)]
            pruned = self._go_live(pieces)
        return [_publication(plan, pruned) for plan in (*plans, *(pieces[-1] for pieces in ensembles))]

    def stage(self, candidates: Sequence[Candidate]) -> list[Publication]:
        """Add each candidate as the next version of its model, without serving it; `switch` does that.

        Args:
            candidates: What is staged. One that is served already, or was staged last, makes no new version.

        Returns:
            What was done for each.

        Raises:
            PublishError: A model's directory cannot be ours.
            MissingError: The place refuses.
        """
        with write_errors(self.store.address):
            plans = [self._planner.staging(candidate) for candidate in candidates]
            stage(self.store, [plan.step for plan in plans if plan.step])
        return [Publication(plan.version, plan.status, (), plan.changes) for plan in plans]

    def switch(self, name: str, version: int, *, overlap: bool = False, expected: Record | None = None) -> None:
        """Serve a version that is there, by its own configuration; the ensembles on the model follow.

        Args:
            name: The model.
            version: Its number.
            overlap: Keep the version that is served now loaded too.
            expected: The record that was read before. None: it does not matter what is there.

        Raises:
            UsageError: There is no such version of ours.
            PublishError: Two versions cannot be loaded at once.
            ConflictError: Another writer was there first.
            MissingError: The place refuses.
        """
        with write_errors(self.store.address):
            go_live(self.store, self._planner.switch(name, version, overlap=overlap, expected=expected))

    def prune(self, name: str, keep: int | None = None) -> Pruned:
        """Remove the versions of a model that nothing needs; the numbers of these, and of what cannot be removed.

        Args:
            name: The model.
            keep: To how many versions a rollback may go, with the one that is served. None: to those of the record.
        """
        with write_errors(self.store.address):
            return prune(self.store, read_state(self.store, name), self._in_use, keep)

    def roll_back(self, names: Sequence[str], public_key: Path | None = None) -> dict[str, int]:
        """Serve the version before the one that is served, of each model: of all or of none.

        An ensemble that stands on one of them gets a version that stands on the one before. The version that is
        withdrawn stays until it is pruned, and its number is not given again.

        Args:
            names: Models of the repository.
            public_key: With which the versions have to be signed. None: they need not be.

        Returns:
            The version of each that is now served.

        Raises:
            PublishError: The version that is served was not made by this exporter, or there is none before it, or that
                is not signed with the key as it lies there.
            ConflictError: Another writer was there first.
            MissingError: The place refuses.
        """
        targets = {name: self._planner.earlier(name) for name in names}
        if public_key:
            self._check_signed(targets, public_key)
        with write_errors(self.store.address):
            go_live(self.store, [step for name, one in targets.items() for step in self._planner.switch(name, one)])
        return targets

    def _check_signed(self, versions: Mapping[str, int], public_key: Path) -> None:
        try:
            for name, version in versions.items():
                check(self.store, name, version, public_key)
        except SignatureError as exc:
            raise PublishError(f"nothing goes back: {exc}") from exc

    def _go_live(self, plans: Sequence[Plan]) -> dict[str, Pruned]:
        """Take the steps of the plans; what was pruned, by model.

        Servers begin to copy when a record is replaced, so what they copy is pruned before.
        """
        steps = [plan.step for plan in plans if plan.step]
        if self.store.copied:
            pruned = {step.state.model: self.prune(step.state.model) for step in steps if step.state.record}
            go_live(self.store, steps)
            return pruned
        go_live(self.store, steps)
        return {step.state.model: self.prune(step.state.model) for step in steps}


def _publication(plan: Plan, pruned: Mapping[str, Pruned]) -> Publication:
    gone, left = pruned.get(plan.model, ((), ()))
    return Publication(plan.version, plan.status, gone, plan.changes, left)


def find_models(store: Store, name: str) -> list[str]:
    """The model of this name or, if there is none, all the formats of `name`.

    Raises:
        UsageError: There is neither.
    """
    models = store.models()
    if name in models:
        return [name]
    if found := [f"{name}_{format}" for format in FORMATS if f"{name}_{format}" in models]:
        return found
    raise UsageError(
        f"{store.address}/{name}: no such model; name a directory of the repository, or a model without its format"
    )


@contextmanager
def open_repository(
    root: Path | Address,
    staging: Path | None = None,
    waiting: Callable[[str], None] = lambda _: None,
    in_use: InUse = lambda _: (),
) -> Iterator[Repository]:
    """Open `root`, made if it does not exist, for one writer at a time; an object store for as many as there are.

    Args:
        root: The model repository.
        staging: Where `.<name>.staging` is made, outside the repository; by default beside it. On another filesystem,
            versions are copied instead of renamed. For an object store a directory on this machine, by default one for
            temporary files.
        waiting: Is told when another writer is waited for.
        in_use: Returns which versions of a model servers have loaded; these are not pruned.

    Raises:
        UsageError: A path cannot be what it is to be.
        MissingError: It cannot be written.
    """
    if isinstance(root, Address):
        store = open_store(root)
        with open_scratch(staging or Path(tempfile.gettempdir())) as private:
            yield Repository(store, private, in_use)
        return
    root = root.resolve()
    with open_staging(root, (staging or root.parent).resolve(), waiting) as private:
        with write_errors(root):
            scratch = find_scratch(private.workspace("arriving"), root)
        yield Repository(LocalStore(root, scratch), private, in_use)
