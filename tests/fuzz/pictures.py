"""Damaged pictures of every format, and what is no picture at all, prepared as `classify` prepares them."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.damage import VARIANTS, damaged
from tests.fuzz.tally import Tally
from tests.fuzz.worker import Outcome, Worker

REPEATED = 20
"""How often each thing that is no picture is tried."""


def damaged_pictures(seed: int, count: int, directory: Path) -> Iterator[Tally]:
    """Yield a row for each format; about `count` files in all, which stay in the directory where one does harm."""
    for format_ in VARIANTS:
        chance = random.Random(f"{seed} {format_}")
        row = Tally(f"damaged {format_}")
        worker = Worker(directory / f"{format_}.stderr")
        try:
            for number in range(-(-count // len(VARIANTS))):
                path = directory / f"{format_}-{number}"
                path.write_bytes(damaged(chance, format_))
                note(row, worker.ask(path, as_bytes=number % 2 == 0, fast=number % 3 == 0))
                if row.survived:
                    path.unlink()
        finally:
            worker.close()
        yield row


def odd_files(directory: Path, repeated: int = REPEATED) -> Iterator[Tally]:
    """Yield a row for each thing that is no picture."""
    worker = Worker(directory / "odd.stderr")
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            for kind, make in _ODD.items():
                path = make(directory, listener)
                row = Tally(kind)
                for _ in range(repeated):
                    note(row, worker.ask(path))
                yield row
        finally:
            worker.close()


def note(row: Tally, outcome: Outcome) -> None:
    """Count what became of one."""
    row.tried += 1
    row.slowest, row.peak = max(row.slowest, outcome.seconds), max(row.peak, outcome.peak)
    if outcome.kind == "usable":
        row.usable += 1
    elif outcome.kind == "named":
        row.named += 1
    elif outcome.kind == "hang":
        row.hangs += 1
    elif outcome.kind == "crash":
        row.crashes += 1
    else:
        row.tracebacks.append(outcome.text)


def _pipe(directory: Path, listener: socket.socket) -> Path:
    os.mkfifo(directory / "pipe.jpg")
    return directory / "pipe.jpg"


def _socket(directory: Path, listener: socket.socket) -> Path:
    listener.bind(str(directory / "socket.jpg"))
    return directory / "socket.jpg"


def _directory(directory: Path, listener: socket.socket) -> Path:
    (directory / "directory.jpg").mkdir()
    return directory / "directory.jpg"


def _loop(directory: Path, listener: socket.socket) -> Path:
    (directory / "loop.jpg").symlink_to("loop.jpg")
    return directory / "loop.jpg"


def _sparse(directory: Path, listener: socket.socket) -> Path:
    """A terabyte that takes no place on the disk."""
    with (directory / "sparse.avif").open("wb") as file:
        file.truncate(1 << 40)
    return directory / "sparse.avif"


_ODD: dict[str, Callable[[Path, socket.socket], Path]] = {
    "a named pipe": _pipe,
    "a socket": _socket,
    "/dev/zero": lambda directory, listener: Path("/dev/zero"),
    "a directory": _directory,
    "a link to itself": _loop,
    "a file of a terabyte": _sparse,
}
