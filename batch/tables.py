"""A column of parquet or csv files: paths and addresses, or the image files themselves, or either in one cell."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tritonrepo.batch.inputs import Row, open_image_of
from tritonrepo.batch.outages import Outages
from tritonrepo.batch.places import Directory, Place, open_place
from tritonrepo.client.errors import ImageError, MissingError, UsageError
from tritonrepo.client.sources import Source
from tritonrepo.client.text import scheme_of

SUFFIXES = (".parquet", ".csv")
_AT_ONCE = 64
"""Rows that are read at a time, image files in them included."""
_NOT_OPENED = Outages(0)
"""Of images whose identity alone is asked for."""


@dataclass(frozen=True)
class Table:
    """A column of one file, or of all tables of a directory, in the order of their names.

    Paths begin in the table's folder. An image file that lies in the table is named TABLE:ROW, with rows from 0.

    Attributes:
        place: Where the files lie.
        files: Their names there.
        column: The column's name.
        written: The address or path of the folder, as it was given: what names begin with.
        kept: The files whose column holds image files.
        lenient: Go on where many addresses in a row cannot be reached, or a file system fails.
    """

    place: Place
    files: tuple[str, ...]
    column: str
    written: str
    kept: frozenset[str] = frozenset()
    lenient: bool = False

    @classmethod
    def of(cls, text: str, column: str, *, lenient: bool = False) -> Table:
        """That of a word of the command.

        Raises:
            UsageError: There is no table, or it has no such column.
            MissingError: It cannot be read.
        """
        if text.lower().endswith(SUFFIXES):
            folder, _, name = text.rpartition("/")
            place = open_place(folder or ("/" if text.startswith("/") else "."))
            files = tuple(found for found in _names(place) if found == name)
        else:
            folder, place = text.rstrip("/"), open_place(text)
            files = tuple(name for name in _names(place) if name.lower().endswith(SUFFIXES))
        if not files:
            raise UsageError(f"{text}: no table is there; --column is about .parquet and .csv files")
        table = cls(place, files, column, f"{folder}/" if folder else "", lenient=lenient)
        return replace(table, kept=frozenset(file for file in files if table._is_bytes(file)))

    def rows(self, left_out: Counter[str]) -> Iterator[Row]:
        """Every row, also one without an image."""
        for file in self.files:
            if file in self.kept:
                yield from self._numbered(file)
            else:
                yield from (Row(name, self._identity(name)) for name in self._texts(file))

    def sources(self, names: Sequence[str]) -> Iterator[Source]:
        """The images of successive rows: of one shard."""
        kept = {f"{self.written}{file}": file for file in self.kept}
        outages = Outages(len(names), lenient=self.lenient)
        for table, group in groupby(names, lambda name: name.rpartition(":")[0]):
            if table in kept:
                yield from self._images(kept[table], list(group), outages)
            else:
                yield from (self._led_to(name, outages) for name in group)

    def _led_to(self, text: str, outages: Outages) -> Source:
        outages.advance()
        return open_image_of(text, self._folder, outages)

    @property
    def _folder(self) -> Path:
        return self.place.path if isinstance(self.place, Directory) else Path()

    def _identity(self, name: str) -> str:
        return "" if scheme_of(name) else open_image_of(name, self._folder, _NOT_OPENED).identity()

    def _numbered(self, file: str) -> Iterator[Row]:
        """The rows of a file with images; its footer differs once it is another."""
        with self._parquet(file) as table:
            identity = hashlib.sha256(repr(table.metadata.to_dict()).encode()).hexdigest()[:16]
            count = table.metadata.num_rows
        yield from (Row(f"{self.written}{file}:{number}", identity) for number in range(count))

    def _is_bytes(self, file: str) -> bool:
        """Whether the column holds image files."""
        if file.lower().endswith(".csv"):
            return False
        with self._parquet(file) as table:
            kind = self._kind(file, table)
        if _is_binary(kind) or _is_picture(kind):
            return True
        if _is_text(kind):
            return False
        raise UsageError(
            f"{self.written}{file}: the column {self.column!r} holds {kind}, and not texts, binary or "
            "struct<bytes: binary, path: string>"
        )

    def _kind(self, file: str, table: pq.ParquetFile) -> Any:
        schema = table.schema_arrow
        if self.column not in schema.names:
            raise UsageError(f"{self.written}{file} has no column {self.column!r}; it has {', '.join(schema.names)}")
        return schema.field(self.column).type

    @contextmanager
    def _parquet(self, file: str) -> Iterator[pq.ParquetFile]:
        """The file, which is read in the order of its pages, and not whole."""
        with self.place.open(file) as stream:
            try:
                with pq.ParquetFile(stream, buffer_size=1 << 20, pre_buffer=False) as table:
                    yield table
            except (pa.ArrowException, OSError) as exc:  # of a page that is damaged it says the latter
                raise UsageError(f"{self.written}{file} is no parquet file that can be read: {exc}") from exc

    def _texts(self, file: str) -> Iterator[str]:
        if file.lower().endswith(".csv"):
            yield from self._csv_texts(file)
            return
        with self._parquet(file) as table:
            for batch in table.iter_batches(1024, columns=[self.column]):
                yield from (text or "" for text in batch.column(0).to_pylist())

    def _csv_texts(self, file: str) -> Iterator[str]:
        """A spreadsheet separates by semicolons where the comma is in numbers."""
        with self.place.open(file) as stream:
            text = io.TextIOWrapper(stream, *_encoding(stream), newline="")
            try:
                yield from self._cells(file, text)
            except csv.Error as exc:
                raise UsageError(
                    f"{self.written}{file} is no csv that can be read: {exc}; is a quotation mark missing?"
                ) from exc
            except UnicodeDecodeError as exc:
                raise UsageError(f"{self.written}{file} is no UTF-16 text, as it begins: {exc.reason}") from exc

    def _cells(self, file: str, text: io.TextIOWrapper) -> Iterator[str]:
        head = text.readline()
        if "\0" in head:
            raise UsageError(f"{self.written}{file} is no UTF-8 text; in a spreadsheet, save it as CSV UTF-8")
        for delimiter in ",;\t":
            names = next(csv.reader([head], delimiter=delimiter), [])
            if self.column in names:
                place = names.index(self.column)
                rows = csv.reader(text, delimiter=delimiter)
                yield from (row[place] if place < len(row) else "" for row in rows if row)
                return
        raise UsageError(f"{self.written}{file} has no column {self.column!r} in its first line: {head.strip()}")

    def _images(self, file: str, names: Sequence[str], outages: Outages) -> Iterator[Source]:
        """Successive rows of a file with images, read some at a time."""
        first = int(names[0].rpartition(":")[2])
        contents = islice(self._contents(file, first), len(names))
        for name, content in zip(names, contents, strict=True):
            data, path = (content.get("bytes"), content.get("path")) if isinstance(content, dict) else (content, None)
            if data is None and path:
                yield replace(self._led_to(path, outages), name=name)
            else:
                outages.advance()
                yield Source(name, ImageError("an empty cell") if data is None else data)

    def _contents(self, file: str, first: int) -> Iterator[bytes | dict[str, Any] | None]:
        """The cells from a row on; row groups before it are not read."""
        with self._parquet(file) as table:
            before, groups = _groups_from(table, first)
            skipped = first - before
            for batch in table.iter_batches(_AT_ONCE, row_groups=groups, columns=[self.column]):
                cells = batch.column(0)
                yield from cells.slice(skipped).to_pylist()
                skipped = max(0, skipped - len(cells))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or kind == pa.binary_view())


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view())


def _is_picture(kind: pa.DataType) -> bool:
    """Whether it is as the data sets of Hugging Face have images: a file's bytes, or the path to it, or both."""
    if not pa.types.is_struct(kind):
        return False
    fields = {field.name: field.type for field in kind}
    data, path = fields.get("bytes", pa.null()), fields.get("path", pa.null())
    fit = (_is_binary(data) or data == pa.null(), _is_text(path) or path == pa.null())
    return all(fit) and not data == path == pa.null()


def _encoding(stream: BinaryIO) -> tuple[str, str]:
    """A text's encoding and what becomes of its faults: of spreadsheets some write UTF-16, with a byte order mark."""
    mark = stream.read(2)
    stream.seek(0)
    if mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16", "strict"
    return "utf-8-sig", "surrogateescape"


def _groups_from(table: pq.ParquetFile, row: int) -> tuple[int, list[int]]:
    """The first row of the row group that holds this one, and the numbers of that group and all after it."""
    begin = 0
    for group in range(table.num_row_groups):
        end = begin + table.metadata.row_group(group).num_rows
        if row < end:
            return begin, list(range(group, table.num_row_groups))
        begin = end
    return begin, []


def _names(place: Place) -> Iterable[str]:
    try:
        return place.names()
    except MissingError as exc:
        raise UsageError(str(exc)) from exc
