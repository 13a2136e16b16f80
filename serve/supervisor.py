"""Keeps a server and its models answering: asks each model, loads again what does not answer, starts what has ended."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from tritonrepo.repository.errors import RepositoryError
from tritonrepo.repository.shortage import explain
from tritonrepo.serve.errors import CannotAskError, NoAnswerError, ServeError, ServerDiedError, SilentError
from tritonrepo.serve.health import ENDED, LOST, Health, ModelHealth
from tritonrepo.serve.limits import find_used_up_files, shortage
from tritonrepo.serve.models import tidy_reason
from tritonrepo.serve.probe import Prober
from tritonrepo.serve.revival import Revival
from tritonrepo.serve.stubs import Stubs
from tritonrepo.serve.sync import Follower
from tritonrepo.serve.triton import TritonServer

TICK = 0.2
ROUND = 2.0
"""Seconds between two looks at what the server has."""
WORKERS = 16


@dataclass(frozen=True)
class Care:
    """How much care is taken of a server.

    Attributes:
        interval: Seconds between two requests to a model that nobody else asks.
        patience: Seconds without an answer after which a model, or the server, counts as hung.
        poll: Seconds between two looks at the repository for changes; 0: never.
    """

    interval: float = 5.0
    patience: float = 10.0
    poll: float = 0.0

    @property
    def lately(self) -> float:
        """Seconds for which a model's answer holds."""
        return 2 * self.interval + self.patience


class Supervisor:
    """Watches over one started server of the mode `explicit`.

    Attributes:
        health: What is known of the models.
        restarts: How often the server was started again.
    """

    def __init__(self, server: TritonServer, tell: Callable[[str], None], care: Care | None = None) -> None:
        """Prepare; `run` does it.

        Args:
            server: The server, started.
            tell: Takes a sentence on each thing that went wrong or was mended, from any thread.
            care: How much; by default as `Care` has it.
        """
        care = care or Care()
        self.health = Health(care.interval, care.lately)
        self.restarts = 0
        self._server, self._tell, self._care = server, tell, care
        self._dead: set[str] = set()
        self._lock, self._stopped = threading.RLock(), threading.Event()
        self._revival = Revival(server, tell, self._stopped)
        self._control = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, "supervisor")
        self._follower = Follower(server, tell, self._control)
        self._attend()

    def stop(self) -> None:
        """Let `run` return, from another thread."""
        self._stopped.set()

    def run(self) -> None:
        """Watch until interrupted or stopped.

        Raises:
            GivenUpError: The server ends again and again, or cannot be started again.
        """
        try:
            while not self._stopped.is_set():
                try:
                    self._server.wait(TICK)
                    self._look()
                except ServerDiedError as died:
                    self._revive(died.how)
                except OSError as error:  # Ours: the server may fare better, and it passes.
                    self._complain(explain(error))
        finally:
            self._era += 1
            self._pool.shutdown(wait=False, cancel_futures=True)

    def missing(self) -> dict[str, str]:
        """Return the models that have not answered lately, with the reasons; all is well when it is empty."""
        with self._lock:
            if not self._alive:
                return {"tritonserver": self._revival.hindrance or "has ended, and is started again"}
            return self.health.missing(time.monotonic()) if self.health.models else {"models": "there are none"}

    def is_ready(self) -> bool:
        """Whether every model has answered lately."""
        return not self.missing()

    def snapshot(self) -> dict[str, ModelHealth]:
        """Return what is known of the models."""
        with self._lock:
            return {name: replace(known) for name, known in sorted(self.health.models.items())}

    def _attend(self) -> None:
        """Begin with a server that was just started."""
        self._era = getattr(self, "_era", 0) + 1
        self._stubs = Stubs(self._server.pid)
        self._prober = Prober(self._server, self._care.patience)
        self._dead.clear()
        self._silences, self._complaint = 0, ""
        self._next_round, self._next_poll = 0.0, time.monotonic() + self._care.poll
        self._alive = True

    def _look(self) -> None:
        """See what has ended, and hand out what is to be done."""
        now = time.monotonic()
        if now >= self._next_round:
            self._next_round = now + ROUND
            self._take_stock(now)
        with self._lock:
            for name in self._stubs.ended():
                self._dead.add(name)
                self.health.hurry(name, now)
            due = self.health.take_due(now)
        for name in due:
            self._pool.submit(self._visit, name, self._era)
        if self._care.poll and now >= self._next_poll:
            self._next_poll = now + self._care.poll
            self._pool.submit(self._follower.look)

    def _take_stock(self, now: float) -> None:
        self._server.trim_log()
        self._stubs.refresh()
        try:
            ready = self._server.ready_versions(self._care.patience)
            repository = self._server.source.names()
        except SilentError:
            self._suspect_server()
        except (RepositoryError, CannotAskError) as error:
            self._complain(str(error))
        except NoAnswerError:
            pass  # It is about to end.
        except ServeError as error:
            self._complain(str(error))
        else:
            self._silences, self._complaint = 0, ""
            with self._lock:
                lost = self.health.expect(ready, repository, now)
            for name in lost:
                self._tell(f"{name}: {LOST}; it is loaded again")

    def _complain(self, sentence: str) -> None:
        """Say once what goes on."""
        if self._complaint != sentence:
            self._complaint = sentence
            self._tell(sentence)

    def _suspect_server(self) -> None:
        """Kill a server that is alive and has been silent twice; what follows is what follows each end."""
        self._silences += 1
        if self._silences == 2:
            cause = find_used_up_files(self._server.pid)
            because = f"; {cause}" if cause else ""
            self._tell(f"tritonserver does not answer for {2 * self._care.patience:g} s, and is ended{because}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._server.pid, signal.SIGKILL)

    def _visit(self, name: str, era: int) -> None:
        """Ask a model, and mend what is wrong; in a thread of the pool."""
        try:
            with self._lock:
                mending, dead = bool(self.health.models[name].fault), name in self._dead
            fault = ENDED if dead else "" if mending else self._ask(name)
            if not (fault or mending):
                self._note(era, name)
            elif self._must_mend(era, name, fault, mending):
                self._mend(name, self.health.models[name].fault, era, dead)
        except Exception as error:  # Whatever it was, the model must be visited again.
            self._put_off(name, era, error)

    def _put_off(self, name: str, era: int, error: Exception) -> None:
        """Have a model visited again later. It is not to blame where the server or this process could not be asked."""
        with self._lock:
            if era != self._era:
                return
            if isinstance(error, NoAnswerError) and not self.health.models[name].fault:
                self.health.unheard(name, time.monotonic())
            else:
                why = shortage(str(error)) or tidy_reason(str(error))
                if why != self.health.models[name].fault:
                    self._tell(f"{name}: cannot be loaded again yet: {why}")
                self.health.failed(name, why, time.monotonic())

    def _ask(self, name: str) -> str:
        return self._prober.find_fault(name, self.health.models[name].versions)

    def _must_mend(self, era: int, name: str, fault: str, mending: bool) -> bool:
        """Note a new fault; whether it is to be mended at once."""
        with self._lock:
            if era != self._era:
                return False
            if mending:
                return True
            self._tell(f"{name}: {fault}; it is loaded again")
            return self.health.suffers(name, fault, time.monotonic())

    def _mend(self, name: str, fault: str, era: int, dead: bool) -> None:
        """Give a model new processes. To load it is not enough: Triton takes an unchanged model for loaded."""
        with self._control:
            old = self._stubs.bury(name)
            self._dead.discard(name)
            if not dead:
                self._stubs.kill(old)
            self._server.unload(name)
            self._server.load(name)
            self._stubs.kill(old)  # Triton waits for the dead one of several, and keeps the others for as long.
        self._prober.forget(name)
        self._stubs.refresh()
        if still := self._ask(name):
            raise ServeError(still)
        self._note(era, name)

    def _note(self, era: int, name: str) -> None:
        """Note an answer."""
        with self._lock:
            if era == self._era and self.health.answered(name, time.monotonic()):
                self._tell(f"{name}: answers again")

    def _revive(self, how: str) -> None:
        """Start a server that has ended again.

        Raises:
            GivenUpError: It has ended too often, or cannot be started.
        """
        with self._lock:
            self._era, self._alive = self._era + 1, False
            self.health.restart(time.monotonic())
        began = time.monotonic()
        if self._revival.revive(how):
            self.restarts += 1
            self._attend()
            self._tell(f"tritonserver answers again after {time.monotonic() - began:.1f} s")
