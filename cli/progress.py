"""What `classify` and `evaluate` share: how much was done, the last words about it, and lines of results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from tritonrepo.cli import terminal
from tritonrepo.client.errors import ModelUnavailableError, RequestError, ServerUnavailableError


class Outcome(Protocol):
    """What became of one image."""

    @property
    def error(self) -> str | None:
        """Why it could not be used."""


@dataclass
class Tally:
    """What was done so far, for the last words.

    Attributes:
        done: Images.
        failed: How many of them could not be used.
    """

    done: int = 0
    failed: int = 0

    def add(self, result: Outcome) -> None:
        """Count one image."""
        self.done += 1
        self.failed += result.error is not None


def write_line(file: BinaryIO, line: str) -> None:
    """File names which are not UTF-8 are written as the bytes that they are. One write, so that lines stay whole."""
    file.write(line.encode("utf-8", "surrogateescape") + b"\n")
    file.flush()


@contextmanager
def last_words(path: Path | None) -> Iterator[Tally]:
    """Whatever ends the work early, say how much was done and how to go on."""
    tally = Tally()
    try:
        yield tally
    except (KeyboardInterrupt, ServerUnavailableError, ModelUnavailableError, RequestError):
        how = "the same command goes on from there" if path else "with --resume FILE a run can be continued"
        terminal.note(f"stopped after {tally.done:,} images ({tally.failed:,} failed); {how}")
        raise
