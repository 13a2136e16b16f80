"""A result file that a later run goes on with: what is in it, and how it is cut and continued."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tritonrepo.client.basis import Basis
from tritonrepo.client.errors import UsageError
from tritonrepo.client.records import CSV_COLUMNS, RESUMED_COLUMNS, csv_header, csv_line, unescaped

SUFFIXES = {".jsonl": "json", ".json": "json", ".csv": "csv"}
_RANK, _ERROR, _BASIS = (RESUMED_COLUMNS.index(name) for name in ("rank", "error", "basis"))


@dataclass(frozen=True)
class Record:
    """One image's result in a file.

    Attributes:
        image: Its name.
        model: Who was asked.
        version: Of the model; empty for an image that could not be read.
        failed: Whether it is an error.
        basis: What it depends on.
        span: Where in the file it begins and ends, in bytes.
    """

    image: str
    model: str
    version: str
    failed: bool
    basis: Basis
    span: tuple[int, int]


@dataclass(frozen=True)
class Done:
    """What a result file holds.

    Attributes:
        records: An image's each.
        size: The bytes of its whole lines.
    """

    records: tuple[Record, ...] = ()
    size: int = 0

    @property
    def images(self) -> Counter[str]:
        """How often each image is there."""
        return Counter(record.image for record in self.records)

    @property
    def failed(self) -> int:
        """How many are errors."""
        return sum(record.failed for record in self.records)


def drop(path: Path, size: int, records: Iterable[Record]) -> None:
    """Write the file anew without these records, in one step, cut back to its first `size` bytes.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        data, start = path.read_bytes()[:size], 0
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            for begin, end in sorted(record.span for record in records):
                file.write(data[start:begin])
                start = end
            file.write(data[start:])
        Path(name).chmod(path.stat().st_mode & 0o7777)
        Path(name).replace(path)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}") from exc


def format_of(path: Path) -> str:
    """The format, json or csv, by the file's name.

    Raises:
        UsageError: It is neither.
    """
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise UsageError(f"{path}: a result file's name ends in {', '.join(SUFFIXES)}") from None


def open_to_go_on(path: Path, size: int) -> BinaryIO:
    """The file, cut back to its first `size` bytes, to write after them.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        file = path.open("r+b" if path.exists() else "w+b")
        file.truncate(size)
        file.seek(size)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}") from exc
    return file


def whole_lines(path: Path) -> bytes:
    """What is in the file up to its last line end; nothing, where there is no file.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    return data[: data.rfind(b"\n") + 1]


def read_done(path: Path) -> Done:
    """Read a result file that may have been cut off anywhere; nothing, where there is no file.

    Raises:
        UsageError: It cannot be read, or this client has not written it.
    """
    data = whole_lines(path)
    try:
        return _read_json(data) if format_of(path) == "json" else _read_csv(data)
    except EarlierReleaseError as exc:
        raise exc.of(path) from exc
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, csv.Error) as exc:
        raise UsageError(f"{path} is not a result file of this client: {exc}") from exc


class EarlierReleaseError(Exception):
    """A file in which an earlier release kept nothing of what its results depend on."""

    def of(self, path: Path) -> UsageError:
        """What to say of the file."""
        return UsageError(
            f"{path} was written by an earlier release, which did not keep what its results depend on (the model's "
            "version, the pictures' times of change and so on). Move it away, and this command starts it anew."
        )


def numbered(data: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Each line, and where it begins and ends."""
    start = 0
    for line in data.splitlines(keepends=True):
        yield line, (start, start + len(line))
        start += len(line)


def _read_json(data: bytes) -> Done:
    records = []
    for line, span in numbered(data):
        values = json.loads(line)
        if "truth" in values:
            raise ValueError("`evaluate --resume` wrote it, which keeps no predictions")
        image, failed = str(values["image"]), "error" in values
        if "basis" not in values:
            raise EarlierReleaseError
        basis = Basis.parse(values["basis"])
        records.append(Record(image, values["model"], values.get("version", ""), failed, basis, span))
    return Done(tuple(records), len(data))


def _read_csv(data: bytes) -> Done:
    """An image has several rows, and the last one's may not all be there: it is done again."""
    if not data:
        return Done()
    text = data.decode("utf-8", "surrogateescape")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    if tuple(header) == CSV_COLUMNS:
        raise EarlierReleaseError
    if tuple(header) != RESUMED_COLUMNS:
        raise ValueError(f"its first line is not {csv_header(RESUMED_COLUMNS)}")
    groups: list[list[list[str]]] = []
    for row in rows:
        if len(row) == len(RESUMED_COLUMNS) and _begins(row):
            groups.append([row])
        elif groups:
            groups[-1].append(row)
    records, start = [], _bytes(header)
    for group in groups[:-1]:
        end = start + sum(map(_bytes, group))
        image, model, version, basis = (unescaped(group[0][column]) for column in (0, 1, 2, _BASIS))
        records.append(Record(image, model, version, _has_failed(group[0]), Basis.parse(basis), (start, end)))
        start = end
    return Done(tuple(records), start)


def _bytes(row: list[str]) -> int:
    return len(csv_line(row).encode("utf-8", "surrogateescape")) + 1


def _begins(row: list[str]) -> bool:
    return row[_RANK] in ("1", "")


def _has_failed(row: list[str]) -> bool:
    return row[_ERROR] != ""
