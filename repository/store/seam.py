"""What the repository's writer and readers need of the place where it lies.

Two things are written. A version directory is written whole, once, and never changed, but for a signature that may come
later. `config.pbtxt`, the commit record, is replaced in one step; what it does not name is not served.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.record import record_text


class ConflictError(PublishError):
    """Another writer was there first: the record is not the one that was read, or the version is there already."""


class BusyError(PublishError):
    """Somebody else is telling servers to load versions of this model."""

    def __init__(self, where: str, who: str = "", remedy: str = "") -> None:
        begin = f"{where}: another release or rollback of it is under way{who}, and nothing was changed"
        super().__init__(f"{begin}; run this again when that has ended{remedy}")


@dataclass(frozen=True)
class Record:
    """A commit record.

    Attributes:
        text: Of `config.pbtxt`.
        tag: What tells this state of the record from any other, an object store's ETag for one. Opaque.
    """

    text: str
    tag: str


class Store(Protocol):
    """A model repository. Names are relative to it, with slashes: `net_onnx/3/manifest.json`.

    Every method raises `MissingError` or `OSError` where the place cannot be reached, read or written.

    Attributes:
        address: As the user wrote it; it holds no credentials.
        copied: Whether Triton copies a model, all of its versions, before it loads one. Where something goes meanwhile,
            it fails, and tries again at its next look.
    """

    address: str
    copied: bool

    def models(self) -> list[str]:
        """The names of the models, sorted."""

    def versions(self, model: str) -> list[int]:
        """The numbers of a model's version directories, ascending; none if there is no such model.

        Raises:
            PublishError: Something else than a directory has the model's name.
        """

    def files(self, model: str, version: int) -> dict[str, int]:
        """The names of a version's files, relative to its directory, and their sizes in bytes; none if it is absent."""

    def read(self, name: str) -> bytes | None:
        """A small file; None if it is absent."""

    def checksum(self, name: str) -> str | None:
        """The SHA-256 of a file, hexadecimal, from the store's own record of it where it has one; None if absent."""

    def fetch(self, name: str, target: Path) -> None:
        """Bring a file, however large, to a path where nothing is yet."""

    def add_version(self, model: str, version: int, source: Path) -> None:
        """Add a version whole. The record does not name it yet, so no server takes it. The source may be used up.

        Args:
            model: It has a record.
            version: Its number.
            source: A directory with all its files; `manifest.json` is the last that others may see.

        Raises:
            ConflictError: The number is there already. Then nothing was changed.
        """

    def add_signature(self, model: str, version: int, source: Path) -> None:
        """Add the signature of a version in one step; one that it has is replaced.

        A server that polls and has the version loaded loads it once more.

        Args:
            model: Its name.
            version: A number that is there.
            source: The file, which stays.
        """

    def create(self, model: str, version: int, source: Path, text: str) -> Record:
        """Add a model that has no record: its first version and its record.

        A disk shows both in one step. Where that cannot be, `in_steps` of this module does it.

        Raises:
            ConflictError: It has a record, or the version is there already.
        """

    def remove_version(self, model: str, version: int) -> None:
        """Remove a version that no record names: in one step, or its manifest last; the rest is known as ours."""

    def remove_model(self, model: str) -> None:
        """Take a model back that `create` has just made, its record first."""

    def record(self, model: str) -> Record | None:
        """The record of a model; None if there is none.

        Raises:
            PublishError: As `versions`.
        """

    def commit(self, model: str, text: str, expected: Record | None) -> Record:
        """Replace the record in one step.

        Args:
            model: Its name.
            text: Of the new record.
            expected: The record that was read before, None if there was none.

        Returns:
            The new record.

        Raises:
            ConflictError: It is not the expected one any more. Then nothing was changed.
        """

    def hold(self, model: str) -> AbstractContextManager[None]:
        """Keep everybody else from telling servers to load versions of a model, while the block lasts.

        It keeps nobody from publishing. Whoever is killed does not hold it for ever.

        Args:
            model: It has a record.

        Raises:
            BusyError: Somebody else holds it.
        """


def in_steps(store: Store, model: str, version: int, source: Path, text: str) -> Record:
    """What `create` does where no step can do it at once: a record that serves nothing, the version, the record.

    A polling server that looks in between says once that the model has no version to load.

    Args:
        store: Where.
        model: Its name.
        version: Its number.
        source: Its files.
        text: The record that names it.

    Returns:
        The last record.

    Raises:
        ConflictError: As `Store.create`.
    """
    record = store.commit(model, record_text(text, (), (), 0), None)
    store.add_version(model, version, source)
    return store.commit(model, text, record)
