"""Starts a server that has ended again: with growing patience, and not without end."""

import threading
import time
from collections.abc import Callable

from tritonrepo.repository.errors import StoreError
from tritonrepo.serve.errors import GivenUpError, PortTakenError, ServeError, ShortageError
from tritonrepo.serve.triton import TritonServer

MOST_ENDS = 5
ENDS_WITHIN = 60.0
FIRST_DELAY = 0.25
SHORTAGE_SECONDS = 60.0
"""How long a start waits for what is lacking: a port, room on a disk, shared memory, files, an answer of the store."""
SHORTAGE_TICK = 0.5


class Revival:
    """Brings one server back.

    Attributes:
        hindrance: What a start waits for; empty if for nothing.
    """

    def __init__(self, server: TritonServer, tell: Callable[[str], None], stopped: threading.Event) -> None:
        """Prepare.

        Args:
            server: The server.
            tell: Takes a sentence on each end and each hindrance.
            stopped: Set when the server is wanted no more.
        """
        self.hindrance = ""
        self._server, self._tell, self._stopped = server, tell, stopped
        self._ends: list[float] = []

    def revive(self, how: str) -> bool:
        """Start the server until it is ready; whether it still is wanted then.

        Args:
            how: How it ended.

        Raises:
            GivenUpError: It has ended too often, or the machine lacks something for too long.
        """
        while how:
            pause = self._count_end(how)
            self._server.stop()
            self._stopped.wait(pause)
            how = self._start()
        return not self._stopped.is_set()

    def _count_end(self, how: str) -> float:
        """Return the seconds to wait before the next start.

        Raises:
            GivenUpError: There were too many ends.
        """
        now = time.monotonic()
        self._ends = [end for end in self._ends if now - end < ENDS_WITHIN] + [now]
        if len(self._ends) >= MOST_ENDS:
            raise GivenUpError(
                f"tritonserver ended {MOST_ENDS} times within {ENDS_WITHIN:g} s, and is given up; the last time {how}"
            )
        self._tell(f"tritonserver ended by itself {how}; it is started again")
        return 0.0 if len(self._ends) == 1 else FIRST_DELAY * 2.0 ** (len(self._ends) - 2)

    def _start(self) -> str:
        """Start the server; why it ended at its start.

        Raises:
            GivenUpError: The machine lacks something for too long.
        """
        give_up = time.monotonic() + SHORTAGE_SECONDS
        try:
            while not self._stopped.is_set():
                try:
                    self._server.start()
                    return ""
                except (ShortageError, PortTakenError, StoreError) as lack:
                    self._wait(str(lack), give_up)
        except GivenUpError:
            raise
        except ServeError as error:
            return f"at its start: {error}"
        finally:
            self.hindrance = ""
        return ""

    def _wait(self, lack: str, give_up: float) -> None:
        """Wait a moment for what the machine lacks, and say once what that is.

        Raises:
            GivenUpError: That was the last moment.
        """
        if time.monotonic() > give_up:
            raise GivenUpError(f"tritonserver could not be started for {SHORTAGE_SECONDS:g} s: {lack}")
        if not self.hindrance:
            self._tell(f"tritonserver cannot be started yet: {lack}")
        self.hindrance = f"cannot be started yet: {lack}"
        self._stopped.wait(SHORTAGE_TICK)
