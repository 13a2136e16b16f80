"""Exports that do without what takes longest in one of a tiny network: the start of a Python that imports PyTorch."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, TextIO

import pytest
from torch.onnx._internal.exporter._registration import ONNXRegistry

from tritonrepo.export import steps
from tritonrepo.export.gate.fresh import FreshProcess, Result
from tritonrepo.repository.formats import ONNX, TORCHSCRIPT

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["tests.exporting", "tritonrepo.cli.export", "tritonrepo.export.to_torchscript", "torch._dynamo", "networkx"]
)
"""Forks come from a process that has imported these, and has run nothing of anybody's."""
SECONDS = 120.0


class KeptProcess(FreshProcess):
    """Goes on from one export to the next: it knows as little of the code of either."""

    def __init__(self) -> None:
        super().__init__([TORCHSCRIPT.name, ONNX.name])
        self._pending: list[Future[Any]] = []

    def later(self, act: Callable[..., Result], *given: object) -> Future[Result]:
        future = super().later(act, *given)
        self._pending.append(future)
        return future

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next export find it idle."""
        for future in self._pending:
            future.cancel()
        wait(self._pending)
        self._pending.clear()

    def end(self) -> None:
        super().__exit__(None, None, None)


@contextmanager
def quick() -> Iterator[None]:
    """Let the exports of this process run their artifacts in one other, and read PyTorch's table of operators once.

    By default each export starts a process, and each conversion to ONNX parses the source of 500 functions.
    """
    kept: list[KeptProcess] = []
    table = staticmethod(cache(ONNXRegistry.from_torchlib))

    def enter(formats: Sequence[str]) -> KeptProcess:
        if not kept:
            kept.append(KeptProcess())
        return kept[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "FreshProcess", enter)
        patch.setattr(ONNXRegistry, "from_torchlib", table)
        yield
    for process in kept:
        process.end()


@dataclass(frozen=True)
class Ended:
    """What became of a command.

    Attributes:
        status: Its exit status; negative: the signal that ended it.
        output: Its standard output.
        errors: Its standard error.
    """

    status: int
    output: str
    errors: str


@dataclass(frozen=True)
class Fork:
    """A running command, in a process of its own whose imports were done before.

    Attributes:
        process: What runs it.
        output: Its standard output.
        errors: Its standard error.
    """

    process: BaseProcess
    output: TextIO
    errors: TextIO

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process.pid is not None
        return self.process.pid

    def end(self) -> Ended:
        """Wait until it has ended."""
        output, errors = self.output.read(), self.errors.read()
        self.process.join(SECONDS)
        status = self.process.exitcode
        assert status is not None, f"not within {SECONDS:g} s"
        return Ended(status, output, errors)


@contextmanager
def fork(words: Sequence[str], before: Callable[[], None] | None = None, *, together: bool = False) -> Iterator[Fork]:
    """Run `tritonrepo WORDS` beside the block, at whose end it is killed.

    Args:
        words: Of the command, whose output fits into a pipe.
        before: Is called in the process first.
        together: Let standard error go where standard output goes.
    """
    output, output_end = CONTEXT.Pipe(duplex=False)
    errors, errors_end = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(
        target=_run, args=(list(words), output_end, output_end if together else errors_end, before)
    )
    process.start()
    output_end.close()
    errors_end.close()
    try:
        with open(output.fileno(), closefd=False) as said, open(errors.fileno(), closefd=False) as wrong:
            yield Fork(process, said, wrong)
    finally:
        process.kill()
        process.join()
        output.close()
        errors.close()


def _run(words: list[str], output: Connection, errors: Connection, before: Callable[[], None] | None) -> None:
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    sys.stdout, sys.stderr = (open(descriptor, "w", 1, closefd=False) for descriptor in (1, 2))  # noqa: SIM115
    # CPython 3.11 takes a compiled module for written that a limit on the size of files has cut: it must write none.
    sys.dont_write_bytecode = True
    if before is not None:
        before()
    from tritonrepo.cli.main import run

    sys.argv = ["tritonrepo", *words]
    run()
