"""What the embedded Triton needs of the machine, and words for what ends it."""

import contextlib
import resource
import shutil
import signal
from pathlib import Path

from tritonrepo.client.text import counted
from tritonrepo.serve.errors import ShortageError

SHARED_MEMORY = "/dev/shm"
FILES = 256
"""Files that a server with a few models opens: 65, and 10 for each model, and one for each connection."""
FILES_OF_A_MODEL = 16
MOST_FILES = 1 << 16
"""Nobody needs more, and some programs close every file that they may have."""
BYTES_OF_A_MODEL = 2 << 20
"""Shared memory of one stub before its first request."""


def allow_files() -> None:
    """Let this process, and those that it starts, open as many files as the system allows it; connections are files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def require_files(models: int) -> None:
    """Check how many files a process may open.

    Raises:
        ShortageError: Too few for so many models.
    """
    most, needed = resource.getrlimit(resource.RLIMIT_NOFILE)[0], FILES + FILES_OF_A_MODEL * models
    if most != resource.RLIM_INFINITY and most < needed:
        raise ShortageError(
            f"a process may open {most} files here, and the embedded Triton needs {needed} for "
            f"{counted(models, 'model')}; allow more with: ulimit -n {max(4096, needed)}"
        )


def find_used_up_files(process: int) -> str:
    """Return words for a process that has as many files open as it may; empty for one that may open more."""
    with contextlib.suppress(OSError):
        most = resource.prlimit(process, resource.RLIMIT_NOFILE)[0]
        if most != resource.RLIM_INFINITY and len(list(Path("/proc", str(process), "fd").iterdir())) >= most:
            return f"it has opened all the {most} files that it may (ulimit -n)"
    return ""


def require_shared_memory(models: int) -> None:
    """Check that the models' processes find room for what they exchange with the server.

    Raises:
        ShortageError: Too little shared memory is left.
    """
    free, needed = shutil.disk_usage(SHARED_MEMORY).free, BYTES_OF_A_MODEL * models
    if free < needed:
        raise ShortageError(
            f"{SHARED_MEMORY} is full: {free / 1e6:.1f} MB are free, and {counted(models, 'model')} take "
            f"{needed / 1e6:.0f} MB; remove what lies there, or enlarge it (docker run --shm-size=1g)"
        )


def name_signal(status: int) -> str:
    """Return words for the signal that an exit status of the guardian stands for; empty if for none."""
    number = -status if status < 0 else status - 128
    if number not in {item.value for item in signal.Signals}:
        return ""
    name = signal.Signals(number).name
    return f" ({name}: killed, by somebody or for want of memory)" if name == "SIGKILL" else f" ({name})"


def shortage(reason: str) -> str:
    """Return what to do about a reason of Triton's that means that shared memory is full; empty if it does not."""
    text = reason.lower()
    if "shared memory" in text and ("no space" in text or "failed to increase" in text or "unable to create" in text):
        free = shutil.disk_usage(SHARED_MEMORY).free / 1e6
        return f"{SHARED_MEMORY} is full ({free:.1f} MB are free); remove what lies there, or enlarge it"
    return ""
