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
    """Let SIGTERM, and a terminal that goes away, end the work as Ctrl-C does, so that nothing is left behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has it ignored
            signal.signal(number, interrupt)
