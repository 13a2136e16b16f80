"""A result file that a later run goes on with."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from tritonrepo.client.errors import UsageError
from tritonrepo.client.records import CSV_COLUMNS, csv_header, csv_line

SUFFIXES = {".jsonl": "json", ".json": "json", ".csv": "csv"}


class Named(Protocol):
    """Something that belongs to an image."""

    @property
    def name(self) -> str:
        """The image's name."""


N = TypeVar("N", bound=Named)
_RANK = CSV_COLUMNS.index("rank")


@dataclass(frozen=True)
class Done:
    """What a result file holds.

    Attributes:
        images: How often each image.
        failed: How many of them as errors.
        size: The bytes of its whole lines.
    """

    images: Counter[str]
    failed: int
    size: int


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


def read_done(path: Path) -> Done:
    """Read a result file that may have been cut off anywhere; nothing, where there is no file.

    Raises:
        UsageError: It cannot be read, or this client has not written it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Done(Counter(), 0, 0)
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    whole = data[: data.rfind(b"\n") + 1]
    try:
        return _read_json(whole) if format_of(path) == "json" else _read_csv(whole)
    except (ValueError, KeyError, TypeError, IndexError) as exc:
        raise UsageError(f"{path} is not a result file of this client: {exc}") from exc


def _read_json(data: bytes) -> Done:
    records = [json.loads(line) for line in data.splitlines()]
    images = Counter(str(record["image"]) for record in records)
    return Done(images, sum("error" in record for record in records), len(data))


def _read_csv(data: bytes) -> Done:
    """An image has several rows, and the last one's may not all be there: it is done again."""
    if not data:
        return Done(Counter(), 0, 0)
    text = data.decode("utf-8", "surrogateescape")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    if tuple(header) != CSV_COLUMNS:
        raise ValueError(f"its first line is not {csv_header()}")
    rows = [row for row in rows if len(row) == len(CSV_COLUMNS)]
    starts = [number for number, row in enumerate(rows) if _begins(row)]
    whole = rows[: starts[-1]] if starts else []
    size = sum(len(csv_line(row).encode("utf-8", "surrogateescape")) + 1 for row in (header, *whole))
    return Done(Counter(row[0] for row in whole if _begins(row)), sum(_has_failed(row) for row in whole), size)


def _begins(row: list[str]) -> bool:
    return row[_RANK] == "1" or _has_failed(row)


def _has_failed(row: list[str]) -> bool:
    return row[_RANK] == ""


def skip_done(items: Iterable[N], done: Counter[str]) -> Iterator[N]:
    """The items that are not done; what is asked for twice has to be there twice."""
    left = done.copy()
    for item in items:
        if left[item.name] > 0:
            left[item.name] -= 1
        else:
            yield item
