"""What `--labels` takes: a text file, a csv, a JSON file, or a directory of class folders.

Lines and rows without numbers, and the elements of a list, are in the order of the logits.
"""

import csv
import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import count, islice
from pathlib import Path
from re import fullmatch
from typing import Any

from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import lines, read_text

DELIMITERS = ",;\t"
NUMBERS = ("index", "idx", "class_index", "class_idx", "class_id", "label_id", "target", "id", "", "class", "label")
"""The headings below which a csv has the numbers of the classes, if whole numbers stand there; pandas writes its own
numbers below an empty one."""
ALWAYS_NUMBERS = NUMBERS[:4]
"""Below which nothing else can stand."""
NAMES = ("name", "class_name", "label_name", "label", "class", "description", "title", "text")
"""The headings below which it has their names."""
ONLY_NAMES = tuple(heading for heading in NAMES if heading not in NUMBERS)
SHOWN = 5
_UNFIT = ("Cc", "Cs")
"""Unicode's control characters and lone surrogates."""
Row = tuple[int, list[str]]
"""The number of its line, and its cells."""


def read(path: Path) -> tuple[str, ...]:
    """The labels, in the order of the logits.

    Raises:
        UsageError: It cannot be read, or is none of these; the message names the line or the key.
    """
    if path.is_dir():
        labels = _folders(path)
    elif path.suffix.lower() == ".json":
        labels = _json(path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        labels = _csv(path)
    else:
        labels = _text(path)
    try:
        check_labels(labels)
    except UsageError as exc:
        raise UsageError(f"{path}: {exc}") from exc
    return labels


def check_labels(labels: Sequence[str]) -> None:
    """Raise `UsageError` unless each label is one line of text that labels.txt and a response can hold."""
    for index, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip() or any(unicodedata.category(c) in _UNFIT for c in label):
            raise UsageError(
                f"label {index} is {label!r}: a label is one line of text, not blank, without control characters"
            )


def _text(path: Path) -> tuple[str, ...]:
    try:
        found = lines(read_text(path))
    except UsageError as exc:
        raise UsageError(f"{exc}; it holds one label a line, in UTF-8") from exc
    while found and not found[-1].strip():
        found.pop()
    return tuple(found)


def _folders(path: Path) -> tuple[str, ...]:
    """Class folders as torchvision's `ImageFolder` numbers them: sorted by their names."""
    try:
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    if not names:
        raise UsageError(f"{path}: holds no class folders")
    return tuple(names)


def _json(path: Path) -> tuple[str, ...]:
    """A list of names, or an object: index -> name, or name -> index as `ImageFolder.class_to_idx` is."""
    try:
        found = json.loads(read_text(path), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"{path}: is no JSON: {exc}") from exc
    if isinstance(found, _Pairs):
        pairs = list(found)
        if pairs and all(isinstance(value, int) and not isinstance(value, bool) for _, value in pairs):
            pairs = [(value, key) for key, value in pairs]
        return in_order(pairs, str(path))
    if not isinstance(found, list):
        raise UsageError(f"{path}: holds neither a list of names nor an object of index and name")
    return in_order(enumerate(found), str(path))


class _Pairs(list[tuple[Any, Any]]):
    """A JSON object with the keys that it has twice."""


def _csv(path: Path) -> tuple[str, ...]:
    """Rows with a name, and perhaps its number: found by their headings, or else by what stands in the columns."""
    rows = list(_rows(path))
    if not rows:
        raise UsageError(f"{path}: holds no rows")
    header = [cell.strip().lower() for cell in rows[0][1]]
    headed = any(cell in (*NUMBERS, *NAMES) for cell in header) and not any(map(_whole, header))
    body = rows[1:] if headed else rows
    columns = [[cells[index] for _, cells in body] for index in range(len(header))]
    number = _number_column(path, header if headed else [], columns, [line for line, _ in body])
    name = _name_column(path, header if headed else [], len(columns), number)
    if number is None:
        return tuple(columns[name])
    found = ((int(cells[number]), cells[name], f"line {line}") for line, cells in body)
    return _ordered(found, str(path))


def _number_column(path: Path, header: list[str], columns: list[list[str]], lines: list[int]) -> int | None:
    """Which column has the numbers of the classes; None where the rows are in their order.

    Raises:
        UsageError: A number is none, or it is open which of several orders is meant.
    """
    whole = [index for index, column in enumerate(columns) if column and all(map(_whole, column))]
    if not header:
        return whole[0] if whole else None
    for heading, column in zip(header, columns, strict=True):
        _refuse_gaps(path, heading, column, lines)
    named = sorted((index for index in whole if header[index] in NUMBERS), key=lambda at: NUMBERS.index(header[at]))
    complete = [index for index in whole if _is_order(columns[index]) and header[index] not in ONLY_NAMES]
    orders = {tuple(map(int, columns[index])) for index in complete}
    if len(orders) > 1 or (orders and not named and list(*orders) != sorted(*orders)):
        shown = " and ".join(repr(header[index]) for index in complete)
        raise UsageError(
            f"{path}: {shown} may number the classes, in another order than the rows or each other; keep one such "
            "column, headed index, or none"
        )
    return next((index for index in named if index in complete), named[0] if named else None)


def _refuse_gaps(path: Path, heading: str, column: list[str], lines: list[int]) -> None:
    """Raise `UsageError` where a column of numbers has something else too: rows would silently be taken as ordered."""
    wrong = [(cell, line) for cell, line in zip(column, lines, strict=True) if not _whole(cell)]
    mixed = heading in NUMBERS and heading not in NAMES and len(wrong) < len(column)
    if wrong and (mixed or heading in ALWAYS_NUMBERS):
        cell, line = wrong[0]
        raise UsageError(f"{path}: line {line} has {cell!r} below {heading!r}, which is no whole number")


def _is_order(column: list[str]) -> bool:
    return sorted(map(int, column)) == list(range(len(column)))


def _name_column(path: Path, header: list[str], columns: int, number: int | None) -> int:
    others = [index for index in range(columns) if index != number]
    named = [index for index in others if header and header[index] in NAMES]
    if named:
        return min(named, key=lambda index: NAMES.index(header[index]))
    if len(others) == 1:
        return others[0]
    shown = f"columns {', '.join(header)}" if header else f"{columns} columns without headings"
    raise UsageError(f"{path}: has {shown}; its headings have to say where the names are: index, name")


def _rows(path: Path) -> Iterator[Row]:
    text = read_text(path)
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    width = 0
    try:
        for cells in reader:
            if not cells:
                continue
            width = width or len(cells)
            if len(cells) != width:
                raise UsageError(
                    f"{path}: line {reader.line_num} has {len(cells)} columns, and the first line {width}; put a label "
                    f"that holds {delimiter!r} between quotes"
                )
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as exc:
        raise UsageError(f"{path}: line {reader.line_num}: {exc}") from exc


def _whole(text: str) -> bool:
    return bool(fullmatch(r"-?[0-9]{1,9}", text))


def in_order(pairs: Iterable[tuple[Any, Any]], where: str) -> tuple[str, ...]:
    """The names of pairs of a number and a name, by their numbers.

    Args:
        pairs: Numbers may be texts, as the keys of a JSON object are.
        where: For messages.

    Raises:
        UsageError: A number is none, is there twice, or is missing between 0 and the largest; a name is no text.
    """
    return _ordered(_numbered(pairs, where), where)


def _numbered(pairs: Iterable[tuple[Any, Any]], where: str) -> Iterator[tuple[int, str, str]]:
    for key, name in pairs:
        if not _whole(str(key)):
            raise UsageError(f"{where}: key {key!r} is no whole number; an object is of index and name")
        if not isinstance(name, str):
            raise UsageError(f"{where}: key {key} holds {name!r}, not the name of a class")
        yield int(key), name, f"key {key}"


def _ordered(found: Iterable[tuple[int, str, str]], where: str) -> tuple[str, ...]:
    """The names by their numbers; each comes with the place where it stands."""
    names: dict[int, str] = {}
    places: dict[int, str] = {}
    for index, name, place in found:
        if index in names:
            raise UsageError(f"{where}: index {index} is there twice: {places[index]} and {place}")
        if index < 0:
            raise UsageError(f"{where}: {place} has the index {index}; the first class is 0")
        names[index], places[index] = name, place
    if (absent := max(names, default=-1) + 1 - len(names)) > 0:
        shown = list(islice((index for index in count() if index not in names), min(absent, SHOWN)))
        rest = f", and {absent - SHOWN} more" if absent > SHOWN else ""
        hint = "; the numbers begin at 1, and the first class is 0" if (absent, shown) == (1, [0]) else ""
        raise UsageError(f"{where}: index {', '.join(map(str, shown))}{rest} is missing{hint}")
    return tuple(names[index] for index in range(len(names)))
