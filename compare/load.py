"""The load generator: a closed loop, and an open loop without coordinated omission.

A closed loop keeps so many requests in flight and sends the next when one is answered: it asks what the server can do.
An open loop sends by a schedule, as users do, and counts each latency from the time at which the request was *due*: a
slow answer that holds up the next requests is charged for all of them.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.errors import TritonRepoError
from tritonrepo.compare.cells import PERCENTILES, Growth, Window, kept

Send = Callable[[int], object]
"""Sends the n-th request and waits for its answer; raises TritonRepoError."""

PAUSE_AFTER_FAILURE = 0.05
"""Seconds. A failure costs the server nothing: without a pause the loop would spin on it."""
HOPELESS_AFTER = 3
"""So many failures without a single answer are enough to give a window up."""
OVERTIME = 2.0
"""How long an open loop goes on after its schedule's end, in lengths of the schedule."""


@dataclass(frozen=True)
class Request:
    """One request that is over.

    Attributes:
        start: Seconds on the monotonic clock; of an open loop, when it was due.
        end: Seconds on the same clock.
        error: Why it failed, if it did.
    """

    start: float
    end: float
    error: str | None = None


class ClosedLoop:
    """`concurrency` threads, each sending its next request when its last is answered, while the block runs.

        with closed_loop(send, 4) as loop:
            loop.settle()
            window = loop.record(seconds=2.0)

    The load goes on after the recording, so that its last requests run under full load too.
    """

    def __init__(self, send: Send, concurrency: int) -> None:
        self._send = send
        self._numbers = itertools.count()
        self._done: list[list[Request]] = [[] for _ in range(concurrency)]
        self._stopped = threading.Event()
        # Nobody polls: on a small machine that would take the server's time.
        self._answered = threading.Condition()
        self._threads = [threading.Thread(target=self._work, args=(done,), daemon=True) for done in self._done]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for the requests in flight."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _work(self, done: list[Request]) -> None:
        while not self._stopped.is_set():
            start = time.perf_counter()
            error = _error_of(self._send, next(self._numbers))
            with self._answered:
                done.append(Request(start, time.perf_counter(), error))
                self._answered.notify()
            if error:
                self._stopped.wait(PAUSE_AFTER_FAILURE)

    def settle(self) -> None:
        """Return when every thread's first request is over: the first ones meet an empty queue."""
        with self._answered:
            self._answered.wait_for(lambda: all(self._done))

    def record(self, seconds: float, least: int = 1) -> Window:
        """One window of at least so many seconds and requests of each thread, or of failures alone. After `settle`."""
        firsts = [len(done) for done in self._done]
        begin, cpu = time.perf_counter(), time.process_time()
        if not self._hopeless(firsts, seconds):
            time.sleep(max(0.0, begin + seconds - time.perf_counter()))
            with self._answered:
                self._answered.wait_for(lambda: min(map(len, self._since(firsts))) >= least)
        elapsed, cpu = time.perf_counter() - begin, time.process_time() - cpu
        # From one answer to another, for each thread by itself: no part of a request is cut off at either end.
        spans = [done[first - 1 :] for done, first in zip(map(tuple, self._done), firsts, strict=True)]
        rate = sum(_rate(span) for span in spans)
        return summarise([r for span in spans for r in span[1:]], elapsed, rate, cpu / elapsed)

    def _since(self, firsts: Sequence[int]) -> list[list[Request]]:
        return [done[first:] for done, first in zip(self._done, firsts, strict=True)]

    def _hopeless(self, firsts: Sequence[int], seconds: float) -> bool:
        """Wait for the first answer, `seconds` at most: whether enough requests failed and none was answered."""

        def errors() -> list[str | None]:
            return [request.error for requests in self._since(firsts) for request in requests]

        with self._answered:
            self._answered.wait_for(lambda: len(errors()) >= HOPELESS_AFTER or not all(errors()), seconds)
            return len(errors()) >= HOPELESS_AFTER and all(errors())


@contextmanager
def closed_loop(send: Send, concurrency: int) -> Iterator[ClosedLoop]:
    """A closed loop that runs while the block does."""
    loop = ClosedLoop(send, concurrency)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop()


def schedule(
    rate: float, seconds: float, distribution: str = "constant", seed: int | tuple[int, ...] = 0
) -> NDArray[np.float64]:
    """When each request is due, in seconds from the start, ascending.

    Args:
        rate: Requests a second.
        seconds: How long the schedule is.
        distribution: `constant` intervals, or those of a `poisson` process, whose requests come at random and in
            bunches.
        seed: Of the random intervals.
    """
    count = max(2, round(rate * seconds))
    if distribution == "constant":
        return np.arange(count) / rate
    gaps = np.random.default_rng(seed).exponential(1 / rate, count)
    due: NDArray[np.float64] = np.cumsum(gaps) - gaps[0]
    return due


def open_loop(send: Send, due: NDArray[np.float64], most_in_flight: int) -> Window:
    """Send at the due times, `most_in_flight` at once at the most, and wait for all the answers.

    A request that finds all the threads busy is sent late, and its latency counts from when it was due. What is not
    sent long after the schedule's end is a failure.
    """
    numbers, lock = itertools.count(), threading.Lock()
    done: list[Request] = []
    begin, cpu = time.perf_counter(), time.process_time()
    give_up = begin + (1 + OVERTIME) * max(float(due[-1]), 1.0)

    def work() -> None:
        while (number := next(numbers)) < len(due):
            planned = begin + float(due[number])
            time.sleep(max(0.0, planned - time.perf_counter()))
            late = time.perf_counter() > give_up
            error = "not sent: too far behind the schedule" if late else _error_of(send, number)
            with lock:
                done.append(Request(planned, time.perf_counter(), error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(most_in_flight, len(due)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed, cpu = time.perf_counter() - begin, time.process_time() - cpu
    answered = sorted((request for request in done if not request.error), key=lambda request: request.start)
    growth = _growth(answered, (len(due) - 1) / float(due[-1]))
    return summarise(done, elapsed, growth.achieved if growth else 0.0, cpu / elapsed, growth)


def _error_of(send: Send, number: int) -> str | None:
    try:
        send(number)
    except TritonRepoError as exc:
        return str(exc) or type(exc).__name__
    return None


def _rate(span: Sequence[Request]) -> float:
    """Answers a second between the first request's end, which does not count, and the last one's."""
    answers = sum(request.error is None for request in span[1:])
    return answers / (span[-1].end - span[0].end) if answers else 0.0


def _growth(answered: Sequence[Request], offered: float) -> Growth | None:
    """From answers in the order in which they were due.

    The rate is that of the answers' own times: a constant latency does not lower it, a growing one does.
    """
    if len(answered) < 2:
        return None
    latencies = np.array([request.end - request.start for request in answered]) * 1e3
    quarter = max(1, len(answered) // 4)
    ends = [request.end for request in answered]
    achieved = (len(answered) - 1) / max(max(ends) - min(ends), 1e-9)
    return Growth(float(latencies[:quarter].mean()), float(latencies[-quarter:].mean()), offered, achieved)


def summarise(
    requests: Sequence[Request], seconds: float, rate: float, client_cpu: float, growth: Growth | None = None
) -> Window:
    """A window's figures; failures are counted by their reason, and are in no other figure."""
    latencies = np.array([request.end - request.start for request in requests if request.error is None]) * 1e3
    failures = Counter(request.error for request in requests if request.error is not None)
    answered = len(latencies) > 0
    percentiles = np.percentile(latencies, PERCENTILES) if answered else np.full(len(PERCENTILES), np.nan)
    return Window(
        seconds=seconds,
        requests=len(latencies),
        requests_per_second=rate,
        average=float(latencies.mean()) if answered else float("nan"),
        standard_deviation=float(latencies.std()) if answered else float("nan"),
        percentiles=dict(zip(PERCENTILES, map(float, percentiles), strict=True)),
        failures=failures,
        latencies=kept(list(latencies)),
        growth=growth,
        client_cpu=client_cpu,
    )
