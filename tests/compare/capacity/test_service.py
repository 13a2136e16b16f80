"""Times that are known come out of the cells that they were put into."""

from dataclasses import replace

import pytest

from tests.compare.capacity.cells import alone, busy, served
from tests.compare.reports import cell as plain_cell
from tests.compare.reports import window
from tritonrepo.compare.capacity.service import Service, fit, trip, trip_at_rest
from tritonrepo.compare.cells import Cell, Setting, Split


def test_requests_alone_of_several_sizes_tell_both_times() -> None:
    service = fit([alone(5 + 3 * size, size) for size in (1, 4, 8)], served())
    assert service is not None
    assert (service.fixed, service.per_image) == pytest.approx((5, 3))
    assert (service.instances, service.largest, service.batching) == (1, 8, True)


def test_throughput_tells_how_long_executions_take_when_requests_wait() -> None:
    """Four images in an execution of 5 + 4 * 3 ms: 235 a second."""
    service = fit([alone(8), busy(4 / 0.017, {4: 50})], served())
    assert service is not None
    assert (service.fixed, service.per_image) == pytest.approx((5, 3))


def test_instances_share_the_work() -> None:
    service = fit([alone(8), busy(2 * 4 / 0.017, {4: 50}, concurrency=8)], served(count=2))
    assert service is not None
    assert (service.fixed, service.per_image, service.instances) == pytest.approx((5, 3, 2))


def test_a_concurrency_that_leaves_instances_idle_tells_nothing() -> None:
    assert fit([busy(100, {1: 50}, concurrency=2)], served(count=2)) is None


def test_no_gain_is_claimed_for_batches_that_were_not_seen() -> None:
    service = fit([alone(8)], served())
    assert service is not None
    assert (service.fixed, service.per_image, service.largest) == pytest.approx((0, 8, 1))


def test_a_time_is_never_negative() -> None:
    """A batch of 8 that takes more than eight times as long."""
    service = fit([alone(8, 1), alone(100, 8)], served())
    assert service is not None
    assert service.fixed == 0


def test_cells_without_the_servers_account() -> None:
    """perf_analyzer may give none: then the latency of a request alone is all that is known."""
    cells = [plain_cell("m", rates=(100, 100, 100))]
    (bare,) = (
        type(one)(one.setting, tuple(w.__class__(**{**vars(w), "split": None}) for w in one.windows)) for one in cells
    )
    service = fit([bare], served())
    assert service is not None
    assert service.per_image == pytest.approx(10)
    assert trip([bare], 1).overhead == 0


def test_capacity() -> None:
    service = Service(5, 3, 2, largest=8, batching=True)
    assert service.most_requests(1) == 8
    assert service.most_requests(3) == 2
    assert service.most_requests(16) == 1
    assert service.capacity(1) == pytest.approx(2 * 8 / 0.029)
    assert service.capacity(3) == pytest.approx(2 * 6 / 0.023)
    assert Service(5, 3, 1, largest=8, batching=False).capacity(1) == pytest.approx(1 / 0.008)


def test_the_trip_is_that_of_the_nearest_size() -> None:
    cells = [alone(8, 1, latencies=(5, 15)), alone(29, 8), busy(100, {1: 50})]
    near, far = trip(cells, 2), trip(cells, 8)
    assert near.overhead == pytest.approx(1.5)
    assert sorted(near.factors) == pytest.approx([0.5] * 3 + [1.5] * 3)
    assert set(far.factors) == {1.0}
    assert trip([busy(100, {1: 50})], 1).factors == (1.0,)


def calm(latencies: tuple[float, ...], split: Split | None) -> Cell:
    """An open loop of ten requests a second."""
    one = replace(window(10, sum(latencies) / len(latencies)), latencies=latencies, split=split)
    return Cell(Setting("m", 1, request_rate=10.0), (one,) * 3)


def test_an_open_loop_tells_how_much_longer_a_server_at_rest_takes() -> None:
    """By the closed loop an execution takes two requests 12 ms each and two more 20 ms; by the server 19.2 ms here."""
    service = Service(4, 8, 1, largest=2, batching=True)
    split = Split(queue=2.0, compute_input=0.2, compute_infer=18.0, compute_output=1.0, executions={1: 2, 2: 1})
    found = trip_at_rest(calm((10.0, 40.0), split), service)
    assert found is not None
    assert found.overhead == pytest.approx(25 - 21.2)
    slower = 19.2 / ((2 * 12 + 2 * 20) / 4)
    assert sorted(set(found.factors)) == pytest.approx([0.4 * slower, 1.6 * slower])


def test_an_open_loop_without_the_servers_account_does_not_tell() -> None:
    assert trip_at_rest(calm((10.0, 40.0), None), Service(4, 8, 1, largest=2, batching=True)) is None
    bare = Split(2.0, 0.2, 18.0, 1.0)
    assert trip_at_rest(calm((10.0, 40.0), bare), Service(4, 8, 1, largest=2, batching=True)) is None
