"""What a run classifies: files, objects of a store, or a column of tables. Rows are listed lazily, in a fixed order."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from tritonrepo.batch.outages import Outages
from tritonrepo.client.errors import ImageError, UsageError
from tritonrepo.client.sources import MISSING, SUFFIXES, UNREADABLE_SUFFIXES, Source, expand, is_url, of_name
from tritonrepo.client.text import scheme_of
from tritonrepo.repository.store.address import is_address


class Row(NamedTuple):
    """An image of the input.

    Attributes:
        name: How the output speaks of it.
        identity: What differs once it is another image of that name; empty where that cannot be told.
    """

    name: str
    identity: str


class Input(Protocol):
    """Can be pickled, and opened from any node."""

    def rows(self, left_out: Counter[str]) -> Iterator[Row]:
        """Every image; `left_out` is told of pictures that cannot be opened. Raises `TritonRepoError`."""

    def sources(self, names: Sequence[str]) -> Iterable[Source]:
        """The images of successive rows. Raises `TritonRepoError`."""


def open_input(text: str, column: str | None, *, lenient: bool = False) -> Input:
    """What the words of the command mean.

    Args:
        text: A directory, a pattern, a file, or an address of a store; with `column` a table or a directory of tables.
        column: The column of a table that holds paths, addresses or image files.
        lenient: Go on where many addresses in a row cannot be reached, or a file system fails.

    Raises:
        UsageError: There is no such thing.
    """
    if column is not None:
        from tritonrepo.batch.tables import Table  # Here, as is what needs the object stores' package.

        return Table.of(text, column, lenient=lenient)
    if is_address(text):
        from tritonrepo.batch.buckets import Prefix

        return Objects(Prefix.of(text).url)
    if is_url(text) or (scheme_of(text) and not os.path.lexists(text)):
        raise UsageError("INPUT is a directory, a pattern, an address of an object store, or with --column a table")
    if text.lower().endswith((".parquet", ".csv")):
        raise UsageError(f"{text} is a table: say with --column NAME which of its columns holds the images")
    return Files(text, Path.cwd(), lenient)


def open_image_of(name: str, folder: Path, outages: Outages) -> Source:
    """The image that a path, or an address on the web or in a store, leads to.

    Args:
        name: As it was given.
        folder: Where a path begins.
        outages: Judges what cannot be had.
    """
    if not name:
        return Source(name, ImageError("an empty cell"))
    if is_address(name):
        from tritonrepo.batch.buckets import StoredImage

        try:
            return StoredImage.of(name)
        except UsageError as exc:
            return Source(name, ImageError(str(exc), name))
    if is_url(name):
        return outages.image(name, name)
    found = of_name(name, folder / name)
    return outages.file(name, found.content) if isinstance(found.content, Path) else found


@dataclass(frozen=True)
class Files:
    """Images of this machine, or of a share that all nodes mount at the same path; named as `classify` names them.

    Attributes:
        word: A file, a directory or a pattern.
        folder: The working directory, where it begins.
        lenient: Go on where the file system fails.
    """

    word: str
    folder: Path
    lenient: bool = False

    def rows(self, left_out: Counter[str]) -> Iterator[Row]:
        """Every image below the directory, or that the pattern matches."""
        for source in expand([self.word], left_out):
            # A directory without images, or that nobody may read; or a word that leads nowhere.
            nowhere = source.name == self.word and source.identity() == MISSING
            if nowhere or not isinstance(source.content, Path):
                source.load()
            yield Row(source.name, source.identity())

    def sources(self, names: Sequence[str]) -> Iterator[Source]:
        """The images of successive rows."""
        outages = Outages(len(names), lenient=self.lenient)
        return (open_image_of(name, self.folder, outages) for name in names)


@dataclass(frozen=True)
class Objects:
    """The images below a prefix of an object store, named by their addresses.

    Attributes:
        url: The prefix's address, without a slash at the end.
    """

    url: str

    def rows(self, left_out: Counter[str]) -> Iterator[Row]:
        """Every object whose name ends as an image's does."""
        from tritonrepo.batch.buckets import Prefix

        for key, identity in Prefix.of(self.url).listed():
            path = PurePosixPath(key)
            suffix = path.suffix.lower()
            if any(part.startswith(".") for part in path.parts):
                continue
            if suffix in SUFFIXES:
                yield Row(f"{self.url}/{key}", identity)
            elif suffix in UNREADABLE_SUFFIXES:
                left_out[suffix] += 1

    def sources(self, names: Sequence[str]) -> Iterator[Source]:
        """The images of successive rows."""
        outages = Outages(len(names))
        return (open_image_of(name, Path(), outages) for name in names)
