"""Several models go live together: all of what is new is added, then each record is replaced; or all is as it was."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tritonrepo.repository.record import record_text
from tritonrepo.repository.state import State
from tritonrepo.repository.store.seam import ConflictError, Record, Store


@dataclass(frozen=True)
class Step:
    """What is to be done with one model.

    Attributes:
        state: As it was found.
        version: The number that is to be served.
        text: The configuration of that version.
        source: Its files, if it is to be added. None: it is there.
        beside: A version that stays loaded too, 0 for none.
        keep: How many versions a rollback may go to afterwards, with this one. None: all that it may go to now.
    """

    state: State
    version: int
    text: str
    source: Path | None = None
    beside: int = 0
    keep: int | None = None

    @property
    def record(self) -> str:
        """The record that serves it."""
        return self.state.record_of(self.text, self.version, self.beside, self.keep)


@dataclass
class Transaction:
    """What has been done so far, and how it is undone.

    Attributes:
        store: Where.
        records: The record of each model as it stands now.
        added: Versions that no record names.
        committed: Models with the record that they had, None for those that are new.
    """

    store: Store
    records: dict[str, Record] = field(default_factory=dict)
    added: list[tuple[str, int]] = field(default_factory=list)
    committed: list[tuple[str, Record | None]] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Add a version, without serving it. A model that is new comes with its record, in `commit`."""
        state = step.state
        if state.record is not None:
            self.records[state.model] = state.record
        elif state.versions:  # somebody removed it
            self.records[state.model] = self.store.commit(state.model, record_text(step.text, (), (), 0), None)
        else:
            return
        if step.source is None:
            return
        if state.record is not None and not state.pinned:  # else a server would take what comes for the newest
            self.records[state.model] = self.store.commit(state.model, state.pinned_text(), state.record)
        self.store.add_version(state.model, step.version, step.source)
        self.added.append((state.model, step.version))

    def commit(self, step: Step) -> None:
        """Serve it."""
        model, before = step.state.model, self.records.get(step.state.model)
        if before is None:
            assert step.source is not None  # a model that is new has no version yet
            self.records[model] = self.store.create(model, step.version, step.source, step.record)
        else:
            self.records[model] = self.store.commit(model, step.record, before)
        self.committed.append((model, before))

    def undo(self, reason: BaseException) -> None:
        """Bring back what was, as far as that can be.

        What another writer came before stays, and is not served: its number is taken.
        """
        for model, before in reversed(self.committed):
            with suppress(Exception):
                if before is None:
                    self.store.remove_model(model)
                else:
                    self.store.commit(model, before.text, self.records[model])
        if isinstance(reason, ConflictError):
            return
        for model, version in self.added:
            with suppress(Exception):
                self.store.remove_version(model, version)


def go_live(store: Store, steps: list[Step]) -> None:
    """Serve all, or none.

    Raises:
        ConflictError: Another writer was there first.
        MissingError: The place refuses.
        OSError: The disk does.
    """
    transaction = Transaction(store)
    try:
        for step in steps:
            transaction.add(step)
        for step in steps:
            transaction.commit(step)
    except BaseException as reason:
        transaction.undo(reason)
        raise


def stage(store: Store, steps: list[Step]) -> None:
    """Add all without serving them, or none. Raises as `go_live`."""
    transaction = Transaction(store)
    try:
        for step in steps:
            transaction.add(step)
            if step.state.model not in transaction.records:
                assert step.source is not None  # a model that is new has no version yet
                store.create(step.state.model, step.version, step.source, record_text(step.text, (), (), 0))
                transaction.committed.append((step.state.model, None))
    except BaseException as reason:
        transaction.undo(reason)
        raise
