"""A table as data: the terminal, the page and the README draw it, each in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

Tone: TypeAlias = Literal["", "good", "bad", "warning", "faint"]
T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """A piece of an entry.

    Attributes:
        text: May hold anything, such as the name of a file.
        tone: How it is coloured.
    """

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        title: In a word; may be empty.
        unit: Of its figures; may be empty.
        words: Whether it holds words, not figures.
        folds: Whether an entry may take several lines.
    """

    title: str
    unit: str = ""
    words: bool = False
    folds: bool = False

    @property
    def heading(self) -> str:
        """The title with the unit."""
        return f"{self.title} {self.unit}".strip()


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column: its head, and what it shows of an item.

    Attributes:
        title: Of the head.
        show: The text of an item, or several parts of it.
        unit: Of the head.
        words: Of the head.
        folds: Of the head.
    """

    title: str
    show: Callable[[T], str | Sequence[Part]]
    unit: str = ""
    words: bool = False
    folds: bool = False

    @property
    def head(self) -> Head:
        """Its head alone."""
        return Head(self.title, self.unit, self.words, self.folds)

    def entry(self, item: T) -> tuple[Part, ...]:
        """What it shows of the item."""
        shown = self.show(item)
        return (Part(shown),) if isinstance(shown, str) else tuple(shown)


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        entries: One for each column.
        best: Whether it is the row to look at.
        first: Whether it begins a group.
    """

    entries: tuple[tuple[Part, ...], ...]
    best: bool = False
    first: bool = False

    @property
    def texts(self) -> list[str]:
        """The entries without their tones."""
        return [", ".join(part.text for part in entry) for entry in self.entries]


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        title: Above it.
        columns: Their heads.
        rows: Below them.
        legend: What the columns mean; may be empty.
        note: Below the rows; may be empty.
    """

    title: str
    columns: tuple[Head, ...]
    rows: tuple[Row, ...]
    legend: str = ""
    note: str = ""


def grid(
    title: str,
    columns: Sequence[Column[T]],
    items: Iterable[T],
    legend: str = "",
    note: str = "",
    best: Callable[[T], bool] = lambda item: False,
    group: Callable[[T], object] = lambda item: None,
) -> Grid:
    """A table of items.

    Args:
        title: Above it.
        columns: What to show of each.
        items: A row each.
        legend: What the columns mean.
        note: Below the rows.
        best: Whether an item is the one to look at.
        group: Rows of one group stand together.
    """
    rows: list[Row] = []
    before: object = None
    for number, item in enumerate(items):
        here = group(item)
        entries = tuple(column.entry(item) for column in columns)
        rows.append(Row(entries, best(item), first=number > 0 and here != before))
        before = here
    return Grid(title, tuple(column.head for column in columns), tuple(rows), legend, note)
