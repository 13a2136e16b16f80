"""What is left of a server whose guardian was killed: its processes, shared memory and temporary directory."""

import contextlib
import shutil
from pathlib import Path

import psutil

from tritonrepo.serve.guardian import SHARED_MEMORY

SECONDS = 5.0


def clean_up(directory: Path) -> None:
    """Kill the processes that have the server's name on their command line, and remove all that has that name."""
    left = [process for process in psutil.process_iter() if belongs(process, directory.name)]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, SECONDS)
    for region in SHARED_MEMORY.glob(f"{directory.name}*"):
        region.unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


def belongs(process: psutil.Process, name: str) -> bool:
    """Whether a process is the server of that name or one of its stubs."""
    with contextlib.suppress(psutil.Error):
        return process.pid != psutil.Process().pid and any(name in word for word in process.cmdline())
    return False
