"""What became of each kind of bad input: counted, and shown as one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

COLUMNS = ("kind", "tried", "usable", "named errors", "tracebacks", "hangs", "crashes", "slowest, s", "peak, MiB")


@dataclass
class Tally:
    """One row.

    Attributes:
        kind: What was tried.
        tried: How often.
        usable: Harmless: a picture or an answer came of it.
        named: One of our errors.
        tracebacks: Any other exception, by its text.
        hangs: Not over within the time for it.
        crashes: The process ended.
        slowest: Seconds of the slowest that ended.
        peak: Largest resident memory of the process, MiB; 0 where it was not measured.
    """

    kind: str
    tried: int = 0
    usable: int = 0
    named: int = 0
    tracebacks: list[str] = field(default_factory=list)
    hangs: int = 0
    crashes: int = 0
    slowest: float = 0.0
    peak: float = 0.0

    @property
    def survived(self) -> bool:
        """Whether nothing but named errors came of it."""
        return not (self.tracebacks or self.hangs or self.crashes)


def table(rows: Iterable[Tally]) -> str:
    """The rows as a table in Markdown."""
    lines = [COLUMNS, ("---",) + ("--:",) * (len(COLUMNS) - 1), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Tally) -> tuple[str, ...]:
    counts = (row.tried, row.usable, row.named, len(row.tracebacks), row.hangs, row.crashes)
    return (row.kind, *(f"{count:,}" for count in counts), f"{row.slowest:.1f}", f"{row.peak:,.0f}" if row.peak else "")
