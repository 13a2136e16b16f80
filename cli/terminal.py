"""The terminal: how wide it is, and a progress bar where there is one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from tritonrepo.client.text import printable

# Wide enough for a label, its figure and its bar where the output is no terminal and has no width.
PIPE_WIDTH = 100


def console(pipe_width: int = PIPE_WIDTH) -> Console:
    """Standard output's. Text is shown as it is: a path may hold what rich would take for markup or an emoji."""
    width = None if sys.stdout.isatty() else pipe_width
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def error_console() -> Console:
    """Standard error's, in the same way."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def note(text: str, style: str = "") -> None:
    """A message on standard error; the names in it may hold anything."""
    shown = "\n".join(map(printable, text.split("\n")))
    error_console().print(Text(shown, style=style), soft_wrap=True)


@contextmanager
def progress(items: Callable[[], Iterator[object]], console: Console | None) -> Iterator[Callable[[], None]]:
    """A bar with rate and remaining time while the block runs, where a terminal can show it; none in a pipe.

    Args:
        items: What there is to do, counted meanwhile.
        console: The terminal where results go, if the bar has to keep clear of them.

    Yields:
        To be called for each item that is done.
    """
    if console is None and (sys.stdout.isatty() or not sys.stderr.isatty()):
        yield lambda: None
        return
    # Here, since `--help` and a run in a pipe show none.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=console or error_console(), transient=True) as bar:
        task = bar.add_task("", total=None, rate="")
        stopped = threading.Event()

        everything = items()

        def count() -> None:
            total = 0
            for _ in everything:
                total += 1
                if stopped.is_set():
                    return
            bar.update(task, total=total)

        def advance() -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=1, rate=f"{speed:.1f} images/s" if speed else "")

        threading.Thread(target=count, daemon=True).start()
        try:
            yield advance
        finally:
            stopped.set()
