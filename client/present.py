"""Results as text: a table with bars for people, JSON lines and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from client.contract import ModelContract
from client.decode import Prediction
from client.results import Result

FORMATS = ("table", "json", "csv")
CSV_COLUMNS = ("image", "model", "version", "rank", "index", "label", "probability", "score", "error")
_LABEL_WIDTH = 40
_BAR_WIDTH = 30


def printable(text: str) -> str:
    """Text that is safe on a terminal and on one line: control characters and undecodable bytes as escapes."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in _legible(text)
    )


def _legible(text: str) -> str:
    """File names which are not UTF-8 reach us with lone surrogates, which cannot be printed."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def untrained_warning(contract: ModelContract) -> str | None:
    """The sentence that belongs above the results of untrained weights."""
    if contract.trained:
        return None
    return f"The weights of {contract.name} are untrained: its labels and probabilities mean nothing."


def as_table(result: Result) -> RenderableType:
    """One image's block: its name, then a line with a bar for each prediction."""
    name = Text(printable(result.image), style="bold", overflow="fold")
    if result.error is not None:
        return Group(name, Text(f"  error: {printable(result.error)}", style="red", overflow="fold"))
    lines = Table.grid(padding=(0, 1))
    lines.add_column(width=4, justify="right")
    lines.add_column(width=_LABEL_WIDTH, no_wrap=True, overflow="ellipsis")
    lines.add_column(width=8, justify="right")
    lines.add_column(width=_BAR_WIDTH)
    for rank, prediction in enumerate(result.predictions, 1):
        lines.add_row(Text(str(rank), style="dim"), Text(printable(prediction.label)), *_value(prediction, rank))
    return Group(name, lines)


def _value(prediction: Prediction, rank: int) -> tuple[RenderableType, RenderableType]:
    if prediction.probability is None:
        return f"{prediction.score:.4g}", ""
    bar = Bar(1.0, 0.0, prediction.probability, color="green" if rank == 1 else "blue")
    return f"{prediction.probability:.2%}", bar


def as_json(result: Result) -> str:
    """One line. ASCII, so that any file name survives, bytes that are not UTF-8 included."""
    return json.dumps(result.as_dict())


def as_csv(result: Result) -> str:
    """A line for each prediction, or one with the error; without the final line end."""
    return "\n".join(map(csv_line, _csv_rows(result)))


def csv_header() -> str:
    return csv_line(CSV_COLUMNS)


def csv_line(row: Iterable[object]) -> str:
    """Without the line end. The writer quotes what has a character of *its* line end, so it keeps its usual \\r\\n."""
    text = io.StringIO()
    csv.writer(text).writerow(row)
    return text.getvalue().removesuffix("\r\n")


def _csv_rows(result: Result) -> Iterator[tuple[object, ...]]:
    if result.error is not None:
        yield (result.image, result.model, "", "", "", "", "", "", result.error)
    for rank, p in enumerate(result.predictions, 1):
        probability = "" if p.probability is None else p.probability
        yield (result.image, result.model, result.version, rank, p.index, p.label, probability, p.score, "")
