"""The queue against what theory knows exactly."""

import math

import numpy as np
import pytest

from tritonrepo.compare.capacity.queue import latencies
from tritonrepo.compare.capacity.service import Service, Trip

TEN = Service(10.0, 0.0, instances=1, largest=1, batching=False)
EXACT = Trip(0.0, (1.0,))
EXPONENTIAL = Trip(0.0, tuple(-np.log1p(-(np.arange(1000) + 0.5) / 1000)))
MANY = 100_000
loads = pytest.mark.parametrize("load", [0.3, 0.6, 0.8])


@loads
def test_one_server_with_equal_times(load: float) -> None:
    """Pollaczek and Khinchine's mean for M/D/1."""
    found = latencies(TEN, EXACT, 1, load * 100, requests=MANY)
    assert found.mean() == pytest.approx(10 + load * 10 / (2 * (1 - load)), rel=0.04)


@loads
def test_one_server_with_exponential_times(load: float) -> None:
    """In M/M/1 the latency is exponential too."""
    found = latencies(TEN, EXPONENTIAL, 1, load * 100, requests=MANY)
    assert found.mean() == pytest.approx(10 / (1 - load), rel=0.06)
    assert np.percentile(found, 95) == pytest.approx(10 * math.log(20) / (1 - load), rel=0.06)


def test_two_instances() -> None:
    """Erlang's C for M/M/2 at 80%: the mean is the service time over 1 - 0.8**2."""
    two = Service(10.0, 0.0, instances=2, largest=1, batching=False)
    assert latencies(two, EXPONENTIAL, 1, 160, requests=MANY).mean() == pytest.approx(10 / (1 - 0.64), rel=0.06)


@pytest.mark.parametrize("rate", [20, 100, 500])
def test_an_execution_that_takes_all_that_wait(rate: float) -> None:
    """Its time does not depend on how many it takes. Who comes to a busy server waits for half an execution, and it is
    busy but for the mean gap after executions in which nobody came."""
    all_that_wait = Service(10.0, 0.0, instances=1, largest=10_000, batching=True)
    idle = math.exp(-rate / 100) * 1e3 / rate
    mean = 10 + 10 / 2 * 10 / (10 + idle)
    assert latencies(all_that_wait, EXACT, 1, rate, requests=MANY).mean() == pytest.approx(mean, rel=0.01)


def test_a_batch_is_no_larger_than_was_seen() -> None:
    """At equal intervals of 1 ms, executions of 10 ms that take at most 4 fall behind by 1.5 ms a request."""
    four = Service(10.0, 0.0, instances=1, largest=4, batching=True)
    found = latencies(four, EXACT, 1, 1000, "constant", requests=8000)
    assert (found[-1] - found[0]) / 8000 == pytest.approx(1.5, rel=0.01)


def test_a_batch_scatters_less_than_a_request() -> None:
    """Its time is the mean of its requests' times; of 16 that scatter by a half, that scatters by an eighth."""
    sixteen = Service(10.0, 0.0, instances=1, largest=16, batching=True)
    found = latencies(sixteen, Trip(0.0, (0.5, 1.5)), 1, 16_000, "constant", requests=32_000)
    ends = np.unique((found + np.arange(len(found)) / 16).round(6))
    assert np.diff(ends).mean() == pytest.approx(10, rel=0.02)
    assert np.diff(ends).std() == pytest.approx(10 / 8, rel=0.05)


def test_larger_requests_take_longer_and_fewer_of_them_fit() -> None:
    service = Service(2.0, 1.0, instances=1, largest=8, batching=True)
    np.testing.assert_allclose(latencies(service, EXACT, 8, 1.0, "constant"), 10.0)


def test_the_way_is_added_and_waits_for_nobody() -> None:
    np.testing.assert_allclose(latencies(TEN, Trip(3.0, (1.0,)), 1, 99, "constant"), 13.0)


def test_more_load_is_never_quicker() -> None:
    p95s = [np.percentile(latencies(TEN, EXACT, 1, rate), 95) for rate in range(5, 100, 5)]
    assert p95s == sorted(p95s)
