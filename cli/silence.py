"""Silence: what libraries write to the process's standard output and standard error goes nowhere for a while."""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout

from rich.console import Console

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2


@contextmanager
def silence(console: Console) -> Iterator[None]:
    """Let nothing through but what is shown on `console`, which is on standard error.

    Both descriptors lead nowhere, because C++ libraries and other threads write there; so do Python's own streams,
    because a progress bar on the console may have put its own in their place.
    """
    with ExitStack() as stack:
        stack.enter_context(_shown_apart(console))
        for descriptor in (STANDARD_OUTPUT, STANDARD_ERROR):
            stack.enter_context(_leading_nowhere(descriptor))
        # In memory and never closed: a logger that is made in this block keeps the stream that it finds.
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        yield


@contextmanager
def _shown_apart(console: Console) -> Iterator[None]:
    """Show what is on the console by a descriptor of its own."""
    before = console.file
    with os.fdopen(os.dup(STANDARD_ERROR), "w", encoding="utf-8", errors="replace", buffering=1) as own:
        console.file = own
        try:
            yield
        finally:
            console.file = before


@contextmanager
def _leading_nowhere(descriptor: int) -> Iterator[None]:
    _flush()
    kept, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    try:
        yield
    finally:
        _flush()
        os.dup2(kept, descriptor)
        os.close(kept)


def _flush() -> None:
    """Write out what Python and C keep back, so that it goes where the descriptors lead now."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            stream.flush()
    ctypes.CDLL(None).fflush(None)
