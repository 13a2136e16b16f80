"""Several servers as one: round robin, failover, and patience with a server that is away for a while."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tritonrepo.client.errors import ModelUnavailableError, ServerUnavailableError
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Region, Transport

T = TypeVar("T")

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
# Only these may turn out differently on another server or a moment later; inference has no side effect to repeat.
_WORTH_ANOTHER_TRY = (ServerUnavailableError, ModelUnavailableError)


class Servers:
    """The transport seam over one or more servers that serve the same models.

    Every request goes to the next server in turn. One that does not answer is passed over for a while, and the request
    goes to the others; when none answers, it is tried again with doubled, jittered delays until `patience` seconds have
    passed since the first failure, and a server that says when to come again (Retry-After) is left alone until then.
    Questions about the server (`models`, `config`, …) are asked of each server once, without patience: at the start the
    answer "not running" is wanted at once.
    """

    def __init__(self, transports: Sequence[Transport], patience: float = 60.0) -> None:
        self.url = ",".join(transport.url for transport in transports)
        self._transports = tuple(transports)
        self._patience = patience
        self._turn = 0
        self._away_until = dict.fromkeys(range(len(transports)), 0.0)
        self._shut_until = dict(self._away_until)
        self._refusals: dict[int, ServerUnavailableError] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def server(self) -> dict[str, Any]:
        """Triton's server metadata."""
        return self._ask(lambda transport: transport.server())

    def models(self) -> tuple[ModelStatus, ...]:
        """Every model version that a server knows."""
        return self._ask(lambda transport: transport.models())

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        """The model's config."""
        return self._ask(lambda transport: transport.config(model, version))

    def statistics(self, model: str) -> dict[str, Any]:
        """The model's counters, or those of all that is ready."""
        return self._ask(lambda transport: transport.statistics(model))

    def infer(self, request: Inference) -> Answer:
        """One request, of whichever server answers it."""
        return self._persist(lambda transport: transport.infer(request), pinned=bool(request.version))

    def register(self, region: Region, key: str) -> None:
        """Let every server map a shared memory object."""
        for transport in self._transports:
            transport.register(region, key)

    def unregister(self, region: Region) -> None:
        """Let every server forget a region."""
        for transport in self._transports:
            transport.unregister(region)

    def close(self) -> None:
        """Also ends every wait between two attempts."""
        self._closed.set()
        for transport in self._transports:
            transport.close()

    def _persist(self, ask: Callable[[Transport], T], *, pinned: bool = False) -> T:
        delay, give_up = FIRST_DELAY, None
        while True:
            try:
                return self._ask(ask, obedient=True)
            except _WORTH_ANOTHER_TRY as exc:
                if pinned and isinstance(exc, ModelUnavailableError):
                    raise  # The version that was asked for is gone, on every server, and will not come back.
                give_up = give_up or time.monotonic() + self._patience
                wait = max(delay * random.uniform(0.5, 1.0), min(self._shut_until.values()) - time.monotonic())
                if time.monotonic() + wait > give_up or self._closed.wait(wait):
                    raise
                delay = min(2 * delay, LONGEST_DELAY)

    def _ask(self, ask: Callable[[Transport], T], *, obedient: bool = False) -> T:
        """One round: each server once, those that were away last. Raises the last failure.

        Args:
            ask: What is asked.
            obedient: Leave a server alone for as long as it asked for.
        """
        failure: Exception | None = None
        for number in self._order():
            if obedient and self._shut_until[number] > time.monotonic():
                failure = failure or self._refusals[number]
                continue
            try:
                answer = ask(self._transports[number])
            except _WORTH_ANOTHER_TRY as exc:
                failure = exc
                self._away_until[number] = time.monotonic() + LONGEST_DELAY
                self._heed(number, exc)
            else:
                self._away_until[number] = 0.0
                return answer
        assert failure is not None, "there is at least one server"
        raise failure

    def _heed(self, number: int, failure: Exception) -> None:
        """Note how long a server wants to be left alone (Retry-After)."""
        if isinstance(failure, ServerUnavailableError) and failure.retry_after:
            self._refusals[number] = failure
            self._shut_until[number] = time.monotonic() + failure.retry_after

    def _order(self) -> list[int]:
        with self._lock:
            turn, self._turn = self._turn, self._turn + 1
        now, count = time.monotonic(), len(self._transports)
        numbers = [(turn + offset) % count for offset in range(count)]
        return sorted(numbers, key=lambda number: self._away_until[number] > now)
