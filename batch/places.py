"""Where a run's output lies: a directory here, a prefix of an object store in `buckets`. Each file appears whole."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.text import scheme_of
from tritonrepo.repository.files import sync
from tritonrepo.repository.shortage import explain

_PARTIAL = ".partial"
_LOCK = ".batch.lock"


class Place(Protocol):
    """A flat collection of files that every node of a cluster reaches. It can be pickled."""

    def names(self) -> list[str]:
        """What is there, but for hidden files. Raises `MissingError`."""

    def read(self, name: str) -> bytes | None:
        """What is in the file; None where there is none. Raises `MissingError`."""

    def open(self, name: str) -> BinaryIO:
        """The file, to read parts of it. Raises `MissingError`."""

    def write(self, name: str, content: bytes | Path) -> None:
        """Write or replace a file in one step: bytes, or what is in a file here. Raises `MissingError`."""

    def remove(self, names: Iterable[str]) -> None:
        """Delete files; one that is not there is no error. Raises `MissingError`."""

    def claim(self) -> AbstractContextManager[None]:
        """Keep other runs away during the block, where that is possible. Raises `UsageError`."""


def open_place(text: str) -> Place:
    """The directory or the prefix of a store that a word names.

    Raises:
        UsageError: It is an address of another kind.
        MissingError: The package for object stores is not installed.
    """
    if scheme_of(text):
        from tritonrepo.batch.buckets import Prefix  # Here, since a run on a share needs no object store.

        return Prefix.of(text)
    return Directory(Path(text).absolute())


@dataclass(frozen=True)
class Directory:
    """A directory of this machine, or of a share that all nodes mount at the same path.

    Attributes:
        path: Absolute.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> list[str]:
        """What is there, but for hidden files."""
        with self._named():
            return sorted(path.name for path in self.path.iterdir() if not path.name.startswith("."))

    def read(self, name: str) -> bytes | None:
        """What is in the file; None where there is none."""
        with self._named():
            try:
                return (self.path / name).read_bytes()
            except FileNotFoundError:
                return None

    def open(self, name: str) -> BinaryIO:
        """The file, to read parts of it."""
        with self._named():
            return (self.path / name).open("rb")

    def write(self, name: str, content: bytes | Path) -> None:
        """Written beside under a name of its own, synced, and renamed in one step."""
        beside = self.path / f".{name}.{uuid.uuid4().hex}{_PARTIAL}"
        with self._named():
            try:
                if isinstance(content, Path):
                    shutil.copyfile(content, beside)
                else:
                    beside.write_bytes(content)
                sync(beside)
                beside.replace(self.path / name)
                sync(self.path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise

    def remove(self, names: Iterable[str]) -> None:
        """Delete files; one that is not there is no error."""
        with self._named():
            for name in names:
                (self.path / name).unlink(missing_ok=True)

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Make the directory, keep other runs away from it, and clear away what killed writers have left.

        The system gives a killed run's claim up by itself.
        """
        with self._named():
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._lock(descriptor)
            self._sweep()
            yield
            self._sweep()
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno == errno.EWOULDBLOCK:
                raise UsageError(f"another run writes to {self.path} now; wait for its end, or end it") from exc
            # A share without locks: two runs at once would do the work twice, and write the same.

    def _sweep(self) -> None:
        with suppress(OSError):
            for path in self.path.glob(f".*{_PARTIAL}"):
                path.unlink(missing_ok=True)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            said = explain(exc, self.path)
            raise MissingError(said if str(self.path) in said else f"{self.path}: {said}") from exc
