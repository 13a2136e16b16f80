"""What is known of a model in a repository: its record, its versions, and what became of each."""

from dataclasses import dataclass, replace

from tritonrepo.repository.errors import ConfigError, PublishError
from tritonrepo.repository.labels import from_text
from tritonrepo.repository.layout import (
    CONFIG_FILENAME,
    HIGHEST,
    LABELS_FILENAME,
    MANIFEST_FILENAME,
    WITHDRAWN_FILENAME,
    parse_config,
    served_versions,
)
from tritonrepo.repository.record import RELEASED, own_text, read_numbers, record_text
from tritonrepo.repository.store.seam import Record, Store


@dataclass(frozen=True)
class State:
    """A model as it stands.

    Attributes:
        model: Its name.
        record: None if it has none.
        versions: The numbers of its directories, ascending.
        published: Those of them that have our manifest; what else is there was put there by hand.
        served: Those that the record names and that are there.
        released: Those that were served, in this order, as far as a rollback can go; the last is served now.
        highest: The highest number that a record has named.
        pinned: Whether the record names versions by their numbers, so that another may come without being served.
        ours: Whether the record has the numbers that we write into it.
    """

    model: str
    record: Record | None
    versions: tuple[int, ...]
    published: tuple[int, ...]
    served: tuple[int, ...] = ()
    released: tuple[int, ...] = ()
    highest: int = 0
    pinned: bool = False
    ours: bool = False

    @property
    def current(self) -> int:
        """The version that is served, the newer of two; 0 if none is."""
        return max(self.served, default=0)

    @property
    def staged(self) -> tuple[int, ...]:
        """Versions that were added and never served."""
        return tuple(number for number in self.published if number > self.highest)

    @property
    def following(self) -> int:
        """The next number: none is given twice."""
        return max((self.highest, *self.versions)) + 1

    @property
    def before(self) -> int:
        """The version to which a rollback goes; 0 if there is none."""
        earlier = self.released[: self.released.index(self.current)] if self.current in self.released else ()
        return next((number for number in reversed(earlier) if number in self.published), 0)

    def record_of(self, text: str, version: int, beside: int = 0, keep: int | None = None) -> str:
        """The record that serves a version, by its own configuration.

        Args:
            text: That configuration.
            version: The number.
            beside: A version that is to stay loaded too, 0 for none.
            keep: How many released versions a rollback may still go to, with this one. None: all that are there.

        Raises:
            ConfigError: The text does not parse.
        """
        known = tuple(number for number in self.released if number in self.published)
        released = (*known[: known.index(version)], version) if version in known else (*known, version)
        kept = released if keep is None else (*(n for n in released[:-keep] if n == beside), *released[-keep:])
        served = sorted({version, beside} - {0})
        return record_text(text, served, kept, max(self.highest, version))

    def pinned_text(self) -> str:
        """The record of an earlier release, with the versions that it serves named by their numbers."""
        assert self.record is not None
        return record_text(self.record.text, self.served, self.released, self.highest)


def read_state(store: Store, model: str) -> State:
    """Read what is known of a model.

    Raises:
        PublishError: Something else than a directory has its name, or its record cannot be understood.
    """
    record, versions = store.record(model), tuple(store.versions(model))
    published = tuple(number for number in versions if MANIFEST_FILENAME in store.files(model, number))
    if record is None:
        return State(model, None, versions, published)
    where = f"{store.address}/{model}/{CONFIG_FILENAME}"
    try:
        config = parse_config(record.text, where)
        highest, released = (read_numbers(config, parameter, where) for parameter in (HIGHEST, RELEASED))
    except ConfigError as exc:
        raise PublishError(f"{exc}; mend it, or move it away, then export again") from exc
    pinned = config.version_policy.WhichOneof("policy_choice") == "specific"
    found = State(model, record, versions, published, tuple(served_versions(config, versions)), pinned=pinned)
    if highest is None:
        return _of_earlier_release(store, found)
    return replace(found, released=released or (), highest=max(highest, default=0), ours=True)


def own_configuration(store: Store, state: State, version: int) -> str:
    """The configuration of a version that is there.

    Raises:
        ConfigError: It has none that can be read.
    """
    own = store.read(f"{state.model}/{version}/{CONFIG_FILENAME}")
    if own is None and state.record is None:
        raise ConfigError(f"{store.address}/{state.model}/{version}: has no {CONFIG_FILENAME}")
    text = state.record.text if own is None and state.record else (own or b"").decode("utf-8", "replace")
    own_labels = LABELS_FILENAME in store.files(state.model, version)
    return own_text(text, version, own_labels=own_labels)


def own_labels(store: Store, state: State, version: int) -> tuple[str, ...]:
    """The labels of a version; none if it has none."""
    text = store.read(f"{state.model}/{version}/{LABELS_FILENAME}") or b""
    return from_text(text.decode("utf-8", "replace"))


def _of_earlier_release(store: Store, found: State) -> State:
    """What the exchange of directories left: all versions were served, and withdrawn.txt has the highest number."""
    text = (store.read(f"{found.model}/{WITHDRAWN_FILENAME}") or b"").decode("ascii", "replace").strip()
    withdrawn = int(text) if text.isdigit() else 0
    released = tuple(number for number in found.published if number <= found.current)
    return replace(found, released=released, highest=max((withdrawn, *found.versions)))
