"""The exit statuses of every verb, and how a signal ends one."""

import signal
from types import FrameType

EXIT_DONE = 0
EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def terminate_as_interrupt() -> None:
    """Let SIGTERM end the work as Ctrl-C does, so that nothing is left behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
