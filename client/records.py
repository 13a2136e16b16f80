"""Results as text for programs: JSON lines and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.results import Result

CSV_COLUMNS = ("image", "model", "version", "rank", "index", "label", "probability", "score", "error")


def untrained_warning(contract: ModelContract) -> str | None:
    """The sentence that belongs above the results of untrained weights."""
    if contract.trained:
        return None
    return f"The weights of {contract.name} are untrained: its labels and probabilities mean nothing."


def as_json(result: Result) -> str:
    """One line. ASCII, so that any file name survives, bytes that are not UTF-8 included."""
    return json.dumps(result.as_dict())


def as_csv(result: Result) -> str:
    """A line for each prediction, or one with the error; without the final line end."""
    return "\n".join(map(csv_line, _csv_rows(result)))


def csv_header() -> str:
    """The names of the columns, without the line end."""
    return csv_line(CSV_COLUMNS)


def csv_line(row: Iterable[object]) -> str:
    r"""A row, without the line end.

    The writer quotes what has a character of *its* line end, so it keeps its usual \r\n.
    """
    text = io.StringIO()
    csv.writer(text).writerow(row)
    return text.getvalue().removesuffix("\r\n")


def _csv_rows(result: Result) -> Iterator[tuple[object, ...]]:
    if result.error is not None:
        yield (result.image, result.model, "", "", "", "", "", "", result.error)
    for rank, p in enumerate(result.predictions, 1):
        probability = "" if p.probability is None else p.probability
        yield (result.image, result.model, result.version, rank, p.index, p.label, probability, p.score, "")
