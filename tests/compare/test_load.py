"""The load generator against servers of known behaviour."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tritonrepo.client.errors import ModelUnavailableError
from tritonrepo.compare.load import closed_loop, open_loop, schedule

SERVICE = 0.02


class Server:
    """Answers in a fixed time, `at_once` requests in parallel, and keeps account."""

    def __init__(self, at_once: int = 1, fail_every: int = 0) -> None:
        # First come, first served; a semaphore would let one thread in again and again.
        self._workers = ThreadPoolExecutor(at_once)
        self._fail_every = fail_every
        self._lock = threading.Lock()
        self.in_flight = self.most_in_flight = self.requests = 0

    def __call__(self, number: int) -> None:
        with self._lock:
            self.requests += 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self._fail_every and number % self._fail_every == 0:
                raise ModelUnavailableError("planted")
            self._workers.submit(time.sleep, SERVICE).result()
        finally:
            with self._lock:
                self.in_flight -= 1


def test_a_closed_loop_keeps_the_requests_in_flight() -> None:
    server = Server(at_once=3)
    with closed_loop(server, 3) as loop:
        loop.settle()
        window = loop.record(0.3)
    assert server.most_in_flight == 3
    assert window.failures == {}
    # Little's law: requests in flight = rate x latency.
    assert window.requests_per_second * window.average / 1e3 == pytest.approx(3, rel=0.05)
    assert window.percentiles[50] >= 1e3 * SERVICE


def test_requests_queue_where_the_server_is_slower() -> None:
    with closed_loop(Server(at_once=1), 4) as loop:
        loop.settle()
        window = loop.record(0.3)
    assert window.average >= 3 * 1e3 * SERVICE
    assert window.requests_per_second <= 1 / SERVICE


def test_a_window_holds_at_least_a_request_of_each_thread() -> None:
    with closed_loop(Server(at_once=2), 2) as loop:
        loop.settle()
        window = loop.record(0.001)
    assert window.requests >= 2


def test_failures_are_counted_and_no_latency_is_theirs() -> None:
    with closed_loop(Server(at_once=1, fail_every=3), 1) as loop:
        loop.settle()
        window = loop.record(0.4)
    assert window.failures["planted"] > 0
    assert window.requests == len(window.latencies) > window.failures["planted"]
    assert min(window.latencies) >= 1e3 * SERVICE


def test_a_window_of_failures_alone_ends_early() -> None:
    began = time.monotonic()
    with closed_loop(Server(fail_every=1), 2) as loop:
        loop.settle()
        window = loop.record(30.0)
    assert time.monotonic() - began < 10
    assert window.requests == window.requests_per_second == 0
    assert window.failures["planted"] >= 3


def test_the_schedules() -> None:
    assert list(schedule(10, 0.5)) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    poisson = schedule(100, 50, "poisson")
    gaps = np.diff(poisson)
    assert poisson[0] == 0
    assert len(poisson) == 5000
    assert gaps.mean() == pytest.approx(0.01, rel=0.05)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)
    assert (poisson == schedule(100, 50, "poisson")).all()


def test_an_open_loop_below_capacity_sustains_its_rate() -> None:
    window = open_loop(Server(at_once=8), schedule(40, 2.0), 16)
    assert window.requests == 80
    assert window.growth is not None
    assert window.growth.sustained
    assert window.requests_per_second == pytest.approx(40, rel=0.1)


def test_an_open_loop_beyond_capacity_shows_the_queue_growing() -> None:
    """Twice the capacity: each request waits for half of those before it, and the rate is the server's."""
    window = open_loop(Server(at_once=1), schedule(2 / SERVICE, 0.4), 64)
    growth = window.growth
    assert growth is not None
    assert not growth.sustained
    assert growth.last_quarter > 2 * growth.first_quarter
    assert growth.offered == pytest.approx(2 / SERVICE)
    assert growth.achieved < 1.1 / SERVICE


def test_latency_counts_from_when_a_request_was_due() -> None:
    """One server that stalls once: coordinated omission would show one slow request, and there are many."""
    stalled = threading.Event()

    def stall_once(number: int) -> None:
        if not stalled.is_set():
            stalled.set()
            time.sleep(0.4)

    window = open_loop(stall_once, schedule(50, 0.5), 1)
    assert sum(latency > 100 for latency in window.latencies) > 10


def test_what_falls_too_far_behind_is_a_failure() -> None:
    began = time.monotonic()
    window = open_loop(Server(at_once=1), schedule(20 / SERVICE, 0.2), 2)
    assert time.monotonic() - began < 6
    assert window.failures["not sent: too far behind the schedule"] > 0
    assert window.requests + sum(window.failures.values()) == 200
