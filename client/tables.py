"""Tables of figures: accuracy, speed, agreement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from client.evaluate import Rate, Score
from client.latency import Agreement, Latency
from client.present import printable

# Narrow tables would break their titles.
TITLE_WIDTH = 70


def accuracy_table(scores: Mapping[str, Score]) -> Table:
    table = Table("model", title="Accuracy (with 95% intervals)", title_justify="left")
    for column in ("top-1", "top-5", "images", "failed"):
        table.add_column(column, justify="right")
    for name, score in scores.items():
        table.add_row(name, _rate(score.top1), _rate(score.top5), f"{score.count:,}", f"{score.failed:,}")
    return table


def _rate(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.value:.2%} ({low:.2%} to {high:.2%})" if rate.count else "-"


def confusion_table(model: str, score: Score, labels: Sequence[str]) -> Table:
    table = Table(
        "class", "taken for", title=f"{model}: most frequent mistakes", title_justify="left", min_width=TITLE_WIDTH
    )
    table.add_column("times", justify="right")
    for truth, predicted, times in score.confusions():
        table.add_row(printable(labels[truth]), printable(labels[predicted]), f"{times:,}")
    return table


def mistake_table(model: str, score: Score, labels: Sequence[str]) -> Table:
    table = Table(
        "image", "class", "taken for", title=f"{model}: worst mistakes", title_justify="left", min_width=TITLE_WIDTH
    )
    table.add_column("probability", justify="right")
    for one in score.worst():
        predicted = labels[one.predicted] if one.predicted is not None else ""
        probability = "" if one.probability is None else f"{one.probability:.1%}"
        table.add_row(printable(one.image), printable(labels[one.truth]), printable(predicted), probability)
    return table


def latency_table(latencies: Iterable[Latency]) -> Table:
    table = Table("model", title="Speed", title_justify="left")
    for column in ("batch", "concurrency", "images/s", "p50 ms", "p95 ms", "p99 ms", "requests"):
        table.add_column(column, justify="right")
    for row in latencies:
        figures = (f"{value:.1f}" for value in (row.images_per_second, row.p50, row.p95, row.p99))
        table.add_row(row.model, str(row.batch_size), str(row.concurrency), *figures, str(row.requests))
    return table


def agreement_table(agreements: Iterable[Agreement]) -> Table:
    table = Table("model", "against", title="Agreement", title_justify="left")
    for column in ("worst probability difference", "top-1 agreement", "images"):
        table.add_column(column, justify="right")
    for row in agreements:
        table.add_row(row.model, row.reference, f"{row.worst_difference:.2e}", f"{row.top1:.1%}", str(row.images))
    return table
