"""Several servers as one: round robin, failover, and patience with a server that is away for a while."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from tritonrepo.client.agreement import Agreement
from tritonrepo.client.errors import (
    ModelUnavailableError,
    RequestError,
    ServerUnavailableError,
    TritonRepoError,
    VersionGoneError,
)
from tritonrepo.client.messages import ready_versions
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
    Servers may have different versions for a while: a request that names one goes to those first that seem to have it.
    Questions about the server (`models`, `config`, …) are asked of each server once, without patience: at the start the
    answer "not running" is wanted at once.
    """

    def __init__(self, transports: Sequence[Transport], patience: float = 60.0) -> None:
        self.url = ",".join(transport.url for transport in transports)
        self._transports = tuple(transports)
        self._patience = patience
        # Requests and questions each have turns of their own: where one follows the other, each would meet one server.
        self._turns = {True: 0, False: 0}
        # By server, and by server and version where that version is what is missing.
        self._away_until: dict[int | tuple[int, str], float] = {}
        self._shut_until = dict.fromkeys(range(len(transports)), 0.0)
        self._refusals: dict[int, ServerUnavailableError] = {}
        self._agreement = Agreement()
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
        return self._ask(lambda transport: transport.config(model, version), version)

    def statistics(self, model: str) -> dict[str, Any]:
        """The model's counters, or those of all that is ready."""
        return self._ask(lambda transport: transport.statistics(model))

    def infer(self, request: Inference) -> Answer:
        """One request, of whichever server answers it.

        Raises:
            VersionGoneError: No server has the version that it names, and one has another.
            ContractError: Two servers mean different things by it.
        """
        delay, give_up = FIRST_DELAY, None
        while True:
            try:
                return self._ask(lambda transport: self._infer(transport, request), request.version, obedient=True)
            except _WORTH_ANOTHER_TRY as exc:
                if isinstance(exc, ModelUnavailableError) and self._is_gone(request):
                    raise VersionGoneError(str(exc)) from exc
                give_up = give_up or time.monotonic() + self._patience
                wait = max(delay * random.uniform(0.5, 1.0), min(self._shut_until.values()) - time.monotonic())
                if time.monotonic() + wait > give_up or self._closed.wait(wait):
                    raise
                delay = min(2 * delay, LONGEST_DELAY)

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

    def _infer(self, transport: Transport, request: Inference) -> Answer:
        if len(self._transports) > 1:
            self._agreement.check(transport, request)
        return transport.infer(request)

    def _is_gone(self, request: Inference) -> bool:
        """Whether no server within reach has this version, and one has another.

        A version that is listed as ready and does not answer is about to: its process died, or it is loaded again.
        """
        if not request.version:
            return False
        ready: set[str] = set()
        for number, transport in enumerate(self._transports):
            if self._away_until.get(number, 0.0) > time.monotonic():
                continue  # It was asked a moment ago, and may be slow to say nothing.
            with suppress(*_WORTH_ANOTHER_TRY, RequestError):
                ready.update(ready_versions(transport.statistics(request.model), request.model))
        return bool(ready) and request.version not in ready

    def _ask(self, ask: Callable[[Transport], T], version: str = "", *, obedient: bool = False) -> T:
        """One round: each server once, those that were away last. Raises the last failure.

        Args:
            ask: What is asked.
            version: Of the model, where it is asked for by its number.
            obedient: Leave a server alone for as long as it asked for.
        """
        failure: TritonRepoError | None = None
        for number in self._order(version, obedient):
            if obedient and self._shut_until[number] > time.monotonic():
                failure = failure or self._refusals[number]
                continue
            try:
                answer = ask(self._transports[number])
            except _WORTH_ANOTHER_TRY as exc:
                failure = exc
                lacking = version and isinstance(exc, ModelUnavailableError)
                self._away_until[(number, version) if lacking else number] = time.monotonic() + LONGEST_DELAY
                if isinstance(exc, ServerUnavailableError):
                    self._agreement.forget(self._transports[number])
                    self._heed(number, exc)
            else:
                self._away_until[number] = self._away_until[number, version] = 0.0
                return answer
        assert failure is not None, "there is at least one server"
        raise failure

    def _heed(self, number: int, failure: ServerUnavailableError) -> None:
        """Note how long a server wants to be left alone (Retry-After)."""
        if failure.retry_after:
            self._refusals[number] = failure
            self._shut_until[number] = time.monotonic() + failure.retry_after

    def _order(self, version: str, request: bool) -> list[int]:
        """The servers in turn, those last that were away, or had not this version, a moment ago."""
        with self._lock:
            turn = self._turns[request]
            self._turns[request] += 1
        now, count, away = time.monotonic(), len(self._transports), self._away_until
        numbers = [(turn + offset) % count for offset in range(count)]
        return sorted(numbers, key=lambda number: max(away.get(number, 0.0), away.get((number, version), 0.0)) > now)
