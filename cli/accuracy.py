"""Tables of figures: accuracy and mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from tritonrepo.client.evaluate import Rate, Score
from tritonrepo.client.text import printable

# Narrow tables would break their titles.
TITLE_WIDTH = 70


def accuracy_table(scores: Mapping[str, Score]) -> Table:
    """A row for each model, by name."""
    table = Table("model", title="Accuracy (with 95% intervals)", title_justify="left")
    for column in ("top-1", "top-5", "images", "failed"):
        table.add_column(column, justify="right")
    for name, score in scores.items():
        table.add_row(printable(name), _rate(score.top1), _rate(score.top5), f"{score.count:,}", f"{score.failed:,}")
    return table


def _rate(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.value:.2%} ({low:.2%} to {high:.2%})" if rate.count else "-"


def confusion_table(model: str, score: Score, labels: Sequence[str]) -> Table:
    """The classes that the model takes for others most often."""
    table = _table(f"{model}: most frequent mistakes", "class", "taken for")
    table.add_column("times", justify="right")
    for truth, predicted, times in score.confusions():
        table.add_row(printable(labels[truth]), printable(labels[predicted]), f"{times:,}")
    return table


def mistake_table(model: str, score: Score, labels: Sequence[str]) -> Table:
    """The mistakes that the model was surest of."""
    table = _table(f"{model}: worst mistakes", "image", "class", "taken for")
    table.add_column("probability", justify="right")
    for one in score.worst():
        predicted = labels[one.predicted] if one.predicted is not None else ""
        probability = "" if one.probability is None else f"{one.probability:.1%}"
        table.add_row(printable(one.image), printable(labels[one.truth]), printable(predicted), probability)
    return table


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=printable(title), title_justify="left", min_width=TITLE_WIDTH)
