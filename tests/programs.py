"""Programs that tests run."""

import os
import pty
import shutil
import subprocess
from collections.abc import Sequence

import pytest


def require(program: str) -> str:
    """The path of a program; fails, and says how to install it, where it is not here."""
    path = shutil.which(program)
    if path is None:
        pytest.fail(f"{program} is not here; install what the tests use with: make system-packages")
    return path


def on_a_terminal(words: Sequence[str], *, output: bool = True) -> tuple[int, str]:
    """Status of a command, and what a terminal sees of its standard error and, with `output`, its standard output."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    stdout = theirs if output else subprocess.DEVNULL
    process = subprocess.Popen(words, stdout=stdout, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    seen = bytearray()
    try:
        while chunk := os.read(ours, 1 << 16):
            seen += chunk
    except OSError:  # how Linux says that the last writer has gone
        pass
    os.close(ours)
    return process.wait(), seen.decode(errors="replace")
