"""The processes behind the models (Triton's stubs): which model each belongs to, and which of them have ended."""

import contextlib
import re
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

PROGRAM = "triton_python_backend_stub"
INSTANCE = 8
"""Where the name of the instance is on a stub's command line."""
COPY = re.compile(r"folder\w{6}", re.ASCII)
"""The directories to which Triton copies models of an object store."""
UNSEEN = (psutil.Error, OSError)
"""A process that has gone, or that cannot be looked at now, as when this process may open no more files."""


class Stubs:
    """The stubs of one server. Triton reaps a stub that it has ended itself; one that died stays as a zombie."""

    def __init__(self, server: int) -> None:
        """Know none yet.

        Args:
            server: The process of tritonserver.
        """
        self._server = server
        self._models: dict[int, str] = {}
        self._suspects: set[int] = set()
        self._buried: set[int] = set()
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Look for new ones."""
        with contextlib.suppress(*UNSEEN):
            children = psutil.Process(self._server).children()
            with self._lock:
                self._models |= {
                    child.pid: name
                    for child in children
                    if child.pid not in self._models and child.pid not in self._buried and (name := model_of(child))
                }

    def ended(self) -> set[str]:
        """Return the models with a stub that has died: it was found ended at the last look too."""
        with self._lock:
            zombies = {pid for pid in self._models if is_zombie(pid)}
            found = {self._models[pid] for pid in zombies & self._suspects}
            self._suspects = zombies
            return found

    def bury(self, model: str) -> set[int]:
        """Forget the stubs of a model, which is about to get new ones; their processes."""
        self.refresh()
        with self._lock:
            pids = {pid for pid, name in self._models.items() if name == model}
            self._buried |= pids
            for pid in pids:
                del self._models[pid]
        return pids

    def kill(self, pids: Iterable[int]) -> None:
        """End those of the processes that are still there."""
        with contextlib.suppress(*UNSEEN):
            for child in psutil.Process(self._server).children():
                if child.pid in pids:
                    child.kill()


def model_of(process: psutil.Process) -> str:
    """Return the model that a stub serves, from its command line; empty if it is no stub."""
    with contextlib.suppress(*UNSEEN):
        return read_model(process.cmdline())
    return ""


def read_model(words: Sequence[str]) -> str:
    """Return the model on the command line of a stub; empty if it is none of a stub.

    That is the directory of the artifact or, where Triton has copied that from an object store to a directory of
    another name, the name of the instance, which has the numbers of its group and its own behind it.
    """
    if len(words) < 2 or Path(words[0]).name != PROGRAM:
        return ""
    directory = Path(words[1]).parent.parent.name
    if COPY.fullmatch(directory) and len(words) > INSTANCE:
        return re.sub(r"_\d+_\d+$", "", words[INSTANCE])
    return directory


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and its parent does not know it."""
    with contextlib.suppress(*UNSEEN):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return False
