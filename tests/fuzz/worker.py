"""A process that prepares pictures as `classify` does: one that hangs or dies is noticed, and replaced."""

from __future__ import annotations

import multiprocessing
import os
import time
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tritonrepo.cli import decoders
from tritonrepo.client.errors import ImageError
from tritonrepo.client.images import to_rgb
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.sources import Source

LIMIT = 20.0
"""Seconds for a picture. The largest that is allowed takes some of them on a busy machine."""
_SPEC = Preprocessing()


@dataclass(frozen=True)
class Outcome:
    """What became of a picture.

    Attributes:
        kind: usable, named, traceback, hang or crash.
        text: The error's.
        seconds: It took.
        peak: The process's largest resident memory so far, MiB.
    """

    kind: str
    text: str = ""
    seconds: float = 0.0
    peak: float = 0.0


class Worker:
    """Its standard error goes to a file; the decoders' C libraries write there."""

    def __init__(self, errors: Path) -> None:
        self._errors = errors
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there, str(self._errors)))
        self._process.start()
        there.close()
        self._here.recv()  # It is ready: imports are no part of a picture's time.

    def ask(self, path: Path, *, as_bytes: bool = False, fast: bool = False) -> Outcome:
        """Prepare the picture in the file."""
        try:
            self._here.send((str(path), as_bytes, fast))
            if self._here.poll(LIMIT):
                return Outcome(*self._here.recv())
            outcome = Outcome("hang", f"{path} after {LIMIT:g} s")
        except (EOFError, OSError):
            outcome = Outcome("crash", str(path))
        self.close()
        self._start()
        return outcome

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._here.close()


def _work(there: Connection, errors: str) -> None:
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    warnings.simplefilter("ignore")  # As the command does with Pillow's and libtiff's.
    decoders.quiet()
    there.send("ready")
    while True:
        try:
            path, as_bytes, fast = there.recv()
        except EOFError:
            return
        begin = time.monotonic()
        kind, text = _prepared(Path(path), as_bytes, fast)
        there.send((kind, text, time.monotonic() - begin, peak_memory()))


def peak_memory() -> float:
    """Return this process's largest resident memory, MiB; getrusage would count what its parent had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _prepared(path: Path, as_bytes: bool, fast: bool) -> tuple[str, str]:
    try:
        source = Source(path.name, path.read_bytes() if as_bytes else path)
        image = to_rgb(source.load(least_side=_SPEC.least_side if fast else None))
        preprocess(image, _SPEC, np.empty(_SPEC.shape, np.float32))
    except ImageError as exc:
        return "named", exc.reason
    except BaseException as exc:
        return "traceback", f"{type(exc).__name__}: {exc}"
    return "usable", ""
