"""An open load: requests come at a rate, whatever becomes of those before."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from tritonrepo.client.errors import ModelUnavailableError, ServerUnavailableError
from tritonrepo.client.transport import Inference, Transport

PLENTY = 256
"""Threads: as many requests may be under way, which no bounded queue lets come about."""


@dataclass
class Overload:
    """What became of the requests.

    Attributes:
        accepted: Seconds of each that was answered.
        refused: Seconds until each that was not.
        reasons: What was said of the refused.
    """

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)

    def p95(self) -> float:
        """The 95th percentile of the accepted, in ms."""
        return float(np.percentile(self.accepted, 95)) * 1000

    def slowest_refusal(self) -> float:
        """The 99th percentile of the refused, in ms."""
        return float(np.percentile(self.refused, 99)) * 1000 if self.refused else 0.0


def capacity(transport: Transport, request: Inference, concurrency: int, seconds: float) -> Overload:
    """A closed load: each of `concurrency` callers sends its next request when it has the answer."""
    found = Overload()
    until = time.monotonic() + seconds

    def call(_: int) -> None:
        while time.monotonic() < until:
            _send(transport, request, found)

    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(call, range(concurrency)))
    return found


def offer(transport: Transport, request: Inference, rate: float, seconds: float) -> Overload:
    """Send `rate` requests a second for so long."""
    found = Overload()
    start = time.monotonic()
    with ThreadPoolExecutor(PLENTY) as pool:
        for number in range(int(rate * seconds)):
            time.sleep(max(start + number / rate - time.monotonic(), 0))
            pool.submit(_send, transport, request, found)
    return found


def _send(transport: Transport, request: Inference, found: Overload) -> None:
    start = time.perf_counter()
    try:
        transport.infer(request)
    except (ServerUnavailableError, ModelUnavailableError) as error:
        found.refused.append(time.perf_counter() - start)
        found.reasons.add(str(error))
    else:
        found.accepted.append(time.perf_counter() - start)


def rate(found: Overload, seconds: float) -> float:
    """Answered requests a second."""
    return len(found.accepted) / seconds
