"""A server's log, line by line as it grows."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tritonrepo.serve.triton import TritonServer

FOLLOW_SECONDS = 0.2


@contextmanager
def follow(server: TritonServer, start: int, take: Callable[[str], None]) -> Iterator[None]:
    """Hand over each line of the server's log as it grows, from the byte `start` on, until the block ends."""
    ended = threading.Event()
    thread = threading.Thread(target=_read_lines, args=(server, start, take, ended), name="follow-log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _read_lines(server: TritonServer, start: int, take: Callable[[str], None], ended: threading.Event) -> None:
    rest, last = b"", False
    with suppress(OSError):  # Nobody reads what is shown any more; the server goes on.
        while not last:
            last = ended.wait(FOLLOW_SECONDS)
            more = server.read_log(start)
            start += len(more)
            *lines, rest = (rest + more).split(b"\n")
            for line in (*lines, *([rest] if last and rest else [])):
                take(line.decode(errors="replace"))
