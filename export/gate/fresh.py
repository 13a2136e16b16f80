"""A process that knows nothing of the user's code, in which artifacts are loaded and run.

A server has neither the user's file nor what it registered in this process: an operator that only this process knows is
found out here, and not by Triton, which gives no reason.
"""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import tritonrepo
from tritonrepo.export import memory
from tritonrepo.export.blame import gist
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate.reference import Inputs, Values
from tritonrepo.export.gate.verify import Runner

Result = TypeVar("Result")

ROOT = Path(tritonrepo.__file__).parent.parent
"""Where this package is imported from; in a checkout it holds nothing else."""
BOOTSTRAP = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the parent, also while imports go on
if os.getppid() != int(sys.argv.pop(1)):
    sys.exit()
sys.path.insert(0, sys.argv.pop(1))
from tritonrepo.export.gate.runner import main
main(sys.argv[1:])
"""
"""What the process does first. Linux sends the signal also when the thread ends that started the process."""
UNKNOWN = (
    ("operator", re.compile(r"Unknown builtin op: ([\w:.]+)")),
    ("class", re.compile(r"Unknown type name '(__torch__\.torch\.classes\.[\w.]+)")),
)
"""How TorchScript's loader says that it does not know something."""


class _ArtifactError(Exception):
    """What a runtime raised in the other process."""


class FreshProcess:
    """Starts at once, so that its imports are done when the first artifact is there; `with` ends it.

    It ends with this process, however that ends, and with the thread that made it.
    """

    def __init__(self, formats: Sequence[str]) -> None:
        """Start it. `formats`: the names of those that it is to run."""
        self._formats = formats
        self._thread = ThreadPoolExecutor(1, "verify")
        self._start()

    def _start(self) -> None:
        self._connection, other = multiprocessing.Pipe()
        with other:
            # -I: neither the working directory nor PYTHONPATH is searched for modules, and no user's site-packages.
            # -B: where a disk is full, CPython 3.11 leaves a compiled module cut short, and every later start fails.
            command = [sys.executable, "-I", "-B", "-c", BOOTSTRAP, str(os.getpid()), str(ROOT)]
            command += [str(other.fileno()), *self._formats]
            nowhere = subprocess.DEVNULL
            self._process = subprocess.Popen(
                command,
                pass_fds=[other.fileno()],
                stdin=nowhere,
                stdout=nowhere,
                stderr=nowhere,
                env={**os.environ, **memory.ENVIRONMENT},
            )

    def later(self, act: Callable[..., Result], *given: object) -> Future[Result]:
        """Do something with this process in a thread, after what was given before: the other core is idle meanwhile."""
        return self._thread.submit(act, *given)

    def load(self, format: str, artifact: Path) -> Runner:
        """Load an artifact; it takes the place of the last one.

        Returns:
            A function that runs it: `[N, …]` -> FP32 `[N, classes]`. It raises what the runtime raises, and
            `VerificationError` if that ends the process.

        Raises:
            VerificationError: Its own runtime cannot load it.
        """
        if self._process.poll() is not None:  # the last artifact ended it
            self._connection.close()
            self._start()
        try:
            self._ask("load", format, artifact)
        except _ArtifactError as exc:
            raise VerificationError(f"{format}: {_why(str(exc))}") from exc
        return self._run

    def _run(self, images: Inputs) -> Values:
        values: Values = self._ask("run", images)
        return values

    def _ask(self, *order: Any) -> Any:
        try:
            self._connection.send(order)
            failure, answer = self._connection.recv()
        except (EOFError, OSError) as exc:
            raise VerificationError(
                f"the process that runs the artifact died of it ({self._end()}), and a server would too"
            ) from exc
        if failure is not None:
            raise _ArtifactError(failure)
        return answer

    def _end(self) -> str:
        status = self._process.wait()
        return signal.Signals(-status).name if status < 0 else f"status {status}"

    def __enter__(self) -> "FreshProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        # First the process: a thread that waits for its answer then wakes up.
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._process.kill()
        self._process.wait()
        self._thread.shutdown()
        self._connection.close()


def _why(message: str) -> str:
    """Why an artifact cannot be loaded, in a line."""
    for kind, pattern in UNKNOWN:
        if found := pattern.search(message):
            return (
                f"a fresh process cannot load it, and a server is one: the {kind} {found[1].rstrip('.')} is registered "
                "by code that a server does not have; write it with PyTorch's own operators"
            )
    return f"its own runtime cannot load it: {gist(Exception(message))}"
