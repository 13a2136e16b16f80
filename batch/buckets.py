"""Object stores, opened as a model repository's are: where output goes, and images come from."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

import obstore
from obstore.exceptions import PermissionDeniedError

from tritonrepo.client.errors import ImageError, UsageError
from tritonrepo.client.images import MAX_BYTES
from tritonrepo.client.sources import Source
from tritonrepo.repository.store.access import Client, connect, is_absent, store_errors
from tritonrepo.repository.store.address import read_address

_OBJECT = re.compile(
    r"(?P<bucket>s3://(?:(?:https?://)?[\w.-]+:\d+/)?[^/]+|gs://[^/]+|as://[^/]+/[^/]+)/(?P<name>.+)",
    re.ASCII | re.DOTALL,
)
DEADLINE = 60.0
"""Seconds that a request may take."""
_CHUNK = 1 << 20
_CLOSED = ("AccessDenied", "InvalidObjectState")
"""What S3 says of one object: that it is not for us, or lies in an archive."""


@cache
def open_store(url: str) -> Client:
    """The store at an address, as a model repository's is written.

    Raises:
        UsageError: The address is of another kind, or malformed.
        StoreError: There are no credentials for it.
    """
    return connect(read_address(url), DEADLINE)


def split(url: str) -> tuple[str, str]:
    """The addresses of an object's bucket, and its name there, which may hold anything.

    Raises:
        UsageError: It is the address of no object.
    """
    found = _OBJECT.fullmatch(url)
    if found is None:
        raise UsageError("an address of an object is s3://BUCKET/NAME, s3://HOST:PORT/BUCKET/NAME, gs://… or as://…")
    return found["bucket"], found["name"]


@dataclass(frozen=True)
class Prefix:
    """What lies directly below a prefix of an object store.

    Attributes:
        url: Its address, without a slash at the end.
    """

    url: str

    @classmethod
    def of(cls, url: str) -> Prefix:
        """That of an address. Raises `UsageError` as `open_store`."""
        url = url.rstrip("/")
        open_store(url)
        return cls(url)

    def __str__(self) -> str:
        return self.url

    def names(self) -> list[str]:
        """What is there, but for hidden objects."""
        with self._named():
            found = obstore.list_with_delimiter(open_store(self.url))["objects"]
            return sorted(meta["path"] for meta in found if not meta["path"].startswith("."))

    def read(self, name: str) -> bytes | None:
        """What is in the object; None where there is none."""
        with self._named():
            try:
                return bytes(obstore.get(open_store(self.url), name).bytes())
            except FileNotFoundError as exc:
                if is_absent(exc):
                    return None
                raise

    def open(self, name: str) -> BinaryIO:
        """The object, to read parts of it."""
        with self._named():
            size = obstore.head(open_store(self.url), name)["size"]
        return cast(BinaryIO, io.BufferedReader(_Ranges(self, name, size), _CHUNK))

    def write(self, name: str, content: bytes | Path) -> None:
        """One PUT of bytes; a file is sent in parts, of which nobody sees anything before the last is there."""
        with self._named():
            obstore.put(open_store(self.url), name, content, use_multipart=None if isinstance(content, Path) else False)

    def remove(self, names: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        for name in names:  # One by one: not every store takes lists.
            with self._named(), suppress(FileNotFoundError):
                obstore.delete(open_store(self.url), name)

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Nothing: two runs at once would do the work twice, and write the same."""
        yield

    def _named(self) -> AbstractContextManager[None]:
        return store_errors(read_address(self.url), DEADLINE)

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` of an object. Raises `MissingError`."""
        with self._named():
            return bytes(obstore.get_range(open_store(self.url), name, start=start, end=end))

    def listed(self) -> Iterator[tuple[str, str]]:
        """The key of every object below the prefix, in the store's order, and what differs once it is another.

        Raises:
            MissingError: The store refuses, or does not answer.
        """
        with self._named():
            for chunk in obstore.list(open_store(self.url)):
                for meta in chunk:
                    yield meta["path"], f"{meta['size']}-{meta['e_tag'] or meta['last_modified'].timestamp()}"


class _Ranges(io.RawIOBase):
    """An object as a file that is read in ranges."""

    def __init__(self, bucket: Prefix, name: str, size: int) -> None:
        self._bucket, self._name, self._size, self._at = bucket, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        data = self._bucket.read_range(self._name, self._at, end)
        buffer[: len(data)] = data
        self._at = end
        return len(data)


@dataclass(frozen=True)
class StoredImage(Source):
    """An image in an object store, fetched when it is decoded.

    Attributes:
        bucket: The address of its bucket.
    """

    bucket: str = ""

    @classmethod
    def of(cls, url: str) -> StoredImage:
        """That of an address; it is also its name. Raises `UsageError` as `split`."""
        bucket, name = split(url)
        read_address(bucket)
        return cls(url, name, bucket)

    def _found(self) -> bytes:
        """The file. An object that cannot be had is an image's fault; a store that fails is none's, and ends the run.

        Raises:
            ImageError: There is no such object, nobody may read it, or it is too large.
            StoreError: The store fails.
        """
        with store_errors(read_address(self.bucket), DEADLINE):
            try:
                found = obstore.get(open_store(self.bucket), str(self.content))
                if found.meta["size"] > MAX_BYTES:
                    raise ImageError(f"{found.meta['size']:,} bytes, more than the limit of {MAX_BYTES:,}", self.name)
                return bytes(found.bytes())
            except FileNotFoundError as exc:
                raise ImageError("no such object", self.name) from exc
            except PermissionDeniedError as exc:
                if any(word in str(exc) for word in _CLOSED):
                    raise ImageError("the store does not give this object", self.name) from exc
                raise
