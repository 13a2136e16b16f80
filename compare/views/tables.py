"""The report on a terminal, as tables and texts of rich. They show names as they are: there is no markup in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tritonrepo.client.text import printable
from tritonrepo.compare.judgement import Judgement
from tritonrepo.compare.report import Report
from tritonrepo.compare.views.grid import Grid, Part
from tritonrepo.compare.views.grids import agreement_grid, change_grid, differing_grids, speed_grid, time_grid
from tritonrepo.compare.views.words import signed, untrained_words

MOST_DIFFERING = 10
"""So many differing images of each model are listed."""
MOST_WIDE_COLUMNS = 9
"""A table of more columns has them closer together."""
_STYLES = {"": "", "good": "green", "bad": "red", "warning": "yellow", "faint": "dim"}
_SHORT_TITLES = {"concurrency": "conc.", "requests/s": "rate"}


def tables(report: Report, judgement: Judgement) -> Iterator[RenderableType]:
    """What changed; speed, where the time goes, agreement; then what is wrong, and what to take."""
    if report.untrained:
        yield Text(printable(untrained_words(report)))
    yield from (Text(printable(caveat), style="yellow") for caveat in judgement.caveats)
    if judgement.changes:
        yield _table(change_grid(judgement.changes))
    yield _table(speed_grid(report, judgement))
    yield _table(time_grid(report, judgement))
    if report.agreements:
        yield _table(agreement_grid(report, judgement))
    yield from map(_table, differing_grids(report, MOST_DIFFERING))
    yield from (Text(f"- {printable(problem)}", style="red") for problem in judgement.problems)
    yield from _regressions(judgement)
    yield Text(printable(" ".join(judgement.sentences)), style="bold")


def _regressions(judgement: Judgement) -> Iterator[Text]:
    for change in judgement.regressions:
        words = f"- {change.setting}: {change.metric} {signed(change.relative)}, a regression"
        yield Text(printable(words), style="red")


def _table(grid: Grid) -> Table:
    title = printable(f"{grid.title} ({grid.legend})" if grid.legend else grid.title)
    padding = int(len(grid.columns) <= MOST_WIDE_COLUMNS)
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, padding, 0, 0))
    for head in grid.columns:
        table.add_column(
            _SHORT_TITLES.get(head.title, head.title), justify="left" if head.words else "right", no_wrap=not head.folds
        )
    for row in grid.rows:
        table.add_row(*map(_text, row.entries), style="bold green" if row.best else None)
    if grid.note:
        table.caption, table.caption_justify = grid.note, "left"
    return table


def _text(entry: Sequence[Part]) -> Text:
    parts = [Text(printable(part.text), style=_STYLES[part.tone]) for part in entry]
    return Text(", ").join(parts)
