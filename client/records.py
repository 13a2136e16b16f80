"""Results as text for programs: JSON lines and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.results import Result

CSV_COLUMNS = ("image", "model", "version", "rank", "index", "label", "probability", "score", "error")
RESUMED_COLUMNS = (*CSV_COLUMNS, "basis")

# With a tab, a carriage return or a line feed in front, a spreadsheet drops that and runs the rest.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def untrained_warning(contract: ModelContract) -> str | None:
    """The sentence that belongs above the results of untrained weights."""
    if contract.trained:
        return None
    return f"The weights of {contract.name} are untrained: its labels and probabilities mean nothing."


def as_json(result: Result) -> str:
    """One line. ASCII, so that any file name survives, bytes that are not UTF-8 included.

    Where it is to be kept, what it depends on stands at the end.
    """
    kept = (
        {} if result.basis is None else {"model": result.model, "version": result.version, "basis": str(result.basis)}
    )
    return json.dumps(result.as_dict() | kept, allow_nan=False)


def as_csv(result: Result, escape: bool = True) -> str:
    """A line for each prediction, or one with the error or with nothing; without the final line end.

    Args:
        result: One image's.
        escape: Write an apostrophe before what a spreadsheet would run.
    """
    return "\n".join(csv_line(map(escaped, row) if escape else row) for row in _csv_rows(result))


def csv_header(columns: Iterable[str] = CSV_COLUMNS) -> str:
    """The names of the columns, without the line end."""
    return csv_line(columns)


def csv_line(row: Iterable[object]) -> str:
    r"""A row, without the line end.

    The writer quotes what has a character of *its* line end, so it keeps its usual \r\n.
    """
    text = io.StringIO()
    csv.writer(text).writerow(row)
    return text.getvalue().removesuffix("\r\n")


def escaped(cell: object) -> object:
    """The cell, after an apostrophe if it is a text that a spreadsheet would take for a formula.

    Apostrophes before such a text get one more, so that `unescaped` gives the same back.
    """
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def unescaped(cell: str) -> str:
    """What `escaped` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _csv_rows(result: Result) -> Iterator[tuple[object, ...]]:
    """Those of one image; what it depends on is in the first, in files that are kept."""
    last: tuple[object, ...] = () if result.basis is None else (str(result.basis),)
    if not result.predictions:
        yield (result.image, result.model, result.version, "", "", "", "", "", result.error or "", *last)
    for rank, p in enumerate(result.predictions, 1):
        probability = "" if p.probability is None else p.probability
        score = p.score if math.isfinite(p.score) else ""
        yield (result.image, result.model, result.version, rank, p.index, p.label, probability, score, "", *last)
        last = ("",) * len(last)
