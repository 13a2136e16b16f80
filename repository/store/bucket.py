"""The objects under one prefix of a bucket: read, written on a condition, moved in parts, listed, deleted."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError

from tritonrepo.repository.digest import sha256
from tritonrepo.repository.store.access import connect, is_absent, store_errors
from tritonrepo.repository.store.address import Address

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutMode

T = TypeVar("T")

PART = 8 << 20
"""Bytes of a part of a large object: S3 takes 10,000 parts, so 80 GB."""
PARTS = 4
"""Parts that are sent at once: 32 MiB are in memory at most."""
DIGEST = "sha256"
"""The name under which the metadata of an object have the SHA-256 of its bytes."""
NEVER = json.dumps({"e_tag": '"0"', "version": "0"})
"""The tag of no object that is there."""


@dataclass(frozen=True)
class Blob:
    """A small object.

    Attributes:
        content: Its bytes.
        tag: Of this content.
    """

    content: bytes
    tag: str


@dataclass(frozen=True)
class Listing:
    """What lies directly under a name.

    Attributes:
        folders: By name.
        objects: Sizes and times of writing, by name.
    """

    folders: tuple[str, ...]
    objects: dict[str, tuple[int, datetime]]


class Bucket:
    """The objects under the prefix of an address; names are relative to it. Each verb raises `StoreError`."""

    def __init__(self, address: Address, deadline: float) -> None:
        """Prepare; nothing is asked yet.

        Args:
            address: The store and the place in it.
            deadline: Seconds that a request may take.

        Raises:
            StoreError: There are no credentials.
        """
        self.address, self._deadline = address, deadline
        self._client = connect(address, deadline)

    def get(self, name: str) -> Blob | None:
        """A small object; None if it is not there."""

        def ask() -> Blob:
            found = obstore.get(self._client, name)
            return Blob(bytes(found.bytes()), _tag(found.meta))

        with self._errors():
            try:
                return heeding(ask)
            except FileNotFoundError as exc:
                if is_absent(exc):
                    return None
                raise

    def put(self, name: str, content: bytes, expected: str | None) -> str | None:
        """Write a small object in one step, if nothing else has written it.

        Args:
            name: The object's.
            content: Its bytes.
            expected: The tag of what is to be there now; None: nothing is.

        Returns:
            The new tag; None if something else is there.
        """
        mode: PutMode = "create" if expected is None else json.loads(expected)
        with self._errors():
            try:
                return _tag(obstore.put(self._client, name, content, mode=mode))
            except (AlreadyExistsError, PreconditionError):
                pass
            except FileNotFoundError as exc:  # Amazon's answer where there is nothing to match
                if not is_absent(exc):
                    raise
        # An answer may get lost, and the request be sent again: then it is our own content that is there.
        there = self.get(name)
        return there.tag if there is not None and there.content == content else None

    def send(self, path: Path, name: str) -> None:
        """Write a file of any size; it appears whole. Of S3 the store checks the checksums that obstore sends along.

        Raises:
            OSError: The file cannot be read.
        """
        attributes = {DIGEST: sha256(path)}
        with self._errors(), path.open("rb") as file:
            obstore.put(self._client, name, file, attributes=attributes, chunk_size=PART, max_concurrency=PARTS)

    def fetch(self, name: str, target: Path) -> None:
        """Copy an object of any size to a file, part by part.

        Raises:
            StoreError: It is not there, too.
            OSError: The file cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for part in self._parts(name):
                file.write(part)

    def digest(self, name: str) -> str | None:
        """The SHA-256 of an object: what it had when `send` wrote it, else by reading it; None if it is not there."""
        with self._errors():
            try:
                found = heeding(lambda: obstore.get(self._client, name, options={"head": True}))
            except FileNotFoundError as exc:
                if is_absent(exc):
                    return None
                raise
        return found.attributes.get(DIGEST) or self._read_digest(name)

    def look(self, name: str = "") -> Listing:
        """What lies directly under a name, at the root without one."""
        with self._errors():
            found = heeding(lambda: obstore.list_with_delimiter(self._client, name or None))
        folders = tuple(sorted(path.rpartition("/")[2] for path in found["common_prefixes"]))
        return Listing(folders, {_last(one): (one["size"], one["last_modified"]) for one in found["objects"]})

    def sizes(self, name: str) -> dict[str, int]:
        """Bytes of all objects under a name, by their names below it."""
        with self._errors():
            chunks = heeding(lambda: list(obstore.list(self._client, name)))
        return {one["path"].removeprefix(f"{name}/"): one["size"] for chunk in chunks for one in chunk}

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""
        for name in names:  # one by one: not every store takes lists, and the order counts
            with self._errors(), suppress(FileNotFoundError):
                obstore.delete(self._client, name)

    def _read_digest(self, name: str) -> str:
        digest = hashlib.sha256()
        for part in self._parts(name):
            digest.update(part)
        return digest.hexdigest()

    def _parts(self, name: str) -> Iterator[bytes]:
        """The bytes of an object, each part by a request of its own, so that the deadline is of a part."""
        with self._errors():
            size = heeding(lambda: obstore.head(self._client, name)["size"])
        for start in range(0, size, PART):
            yield self._part(name, start, min(start + PART, size))

    def _part(self, name: str, start: int, end: int) -> bytes:
        with self._errors():
            return heeding(lambda: bytes(obstore.get_range(self._client, name, start=start, end=end)))

    def _errors(self) -> AbstractContextManager[None]:
        return store_errors(self.address, self._deadline)


def heeding(ask: Callable[[], T]) -> T:
    """What a request returns that only reads, asked in a thread of its own: within obstore, Ctrl-C has to wait.

    Nothing that writes is asked so: who is interrupted clears away what was written, and has to know that it is all.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as exc:
            answer.set_exception(exc)

    threading.Thread(target=run, daemon=True).start()
    return answer.result()


def _tag(meta: Any) -> str:
    """What tells this content of an object from any other: S3 and Azure have an ETag, Google a generation."""
    return json.dumps({key: meta[key] for key in ("e_tag", "version") if meta.get(key)})


def _last(meta: "ObjectMeta") -> str:
    return meta["path"].rpartition("/")[2]
