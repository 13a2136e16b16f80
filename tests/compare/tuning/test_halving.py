"""The search over a table of costs: what is measured for how long, and who is found."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compare.tuning.subjects import TableBench
from tritonrepo.compare.tuning.halving import Score, by_throughput, halve
from tritonrepo.compare.tuning.knobs import Knobs
from tritonrepo.compare.tuning.space import Arm

ARMS = [Arm("net_onnx", Knobs(instances=number)) for number in range(1, 10)]
ANY = by_throughput(None)


def speed(arm: Arm) -> Score:
    """The seventh is the fastest."""
    return Score(100 - 10 * abs(arm.knobs.instances - 7), 10.0)


def test_a_third_goes_on_for_three_times_as_long() -> None:
    bench = TableBench(speed, load=0.0)
    ranked = halve(ARMS, bench.now() + 18.0, bench, ANY)
    assert [seconds for _, seconds in bench.log] == pytest.approx([1.0] * 9 + [3.0] * 3)
    assert [arm.knobs.instances for arm, _ in bench.log[9:]] == [7, 6, 8]
    assert [arm.knobs.instances for arm in ranked[:3]] == [7, 6, 8]
    assert bench.now() == pytest.approx(118.0)


def test_loading_is_part_of_the_time() -> None:
    bench = TableBench(speed, load=1.0)
    bench.measure(ARMS[0], 1.0)
    end = bench.now() + 36.0
    halve(ARMS, end, bench, ANY)
    # 18 s for nine of them, of which nine are for loading; then 18 s for three.
    assert [seconds for _, seconds in bench.log[1:]] == pytest.approx([1.0] * 9 + [5.0] * 3)
    assert bench.now() == pytest.approx(end)


def test_no_more_are_begun_than_there_is_time_for() -> None:
    bench = TableBench(speed, load=1.0)
    bench.measure(ARMS[0], 1.0)
    end = bench.now() + 10.0
    halve(ARMS, end, bench, ANY)
    # Six would need three times 1.5 s in each of two rungs; three of them end in one.
    assert [arm for arm, _ in bench.log[1:4]] == ARMS[:3]
    assert bench.now() <= end + 1e-9


def test_without_time_for_one_nothing_is_measured() -> None:
    bench = TableBench(speed, load=1.0)
    bench.measure(ARMS[0], 1.0)
    assert halve(ARMS, bench.now() + 1.4, bench, ANY) == []
    assert len(bench.log) == 1


def test_who_cannot_serve_is_passed_over() -> None:
    bench = TableBench(lambda arm: None if arm.knobs.instances == 7 else speed(arm), load=0.1)
    assert halve(ARMS, bench.now() + 60, bench, ANY)[0].knobs.instances in (6, 8)


def test_within_a_limit_throughput_counts_and_beyond_it_the_latency() -> None:
    fast, late, later = Score(10, 40), Score(90, 60), Score(99, 70)
    assert sorted([later, late, fast], key=by_throughput(50)) == [fast, late, later]
    assert sorted([fast, late, later], key=by_throughput(None)) == [later, late, fast]
    assert sorted([Score(10, math.nan), late, fast], key=by_throughput(50))[0] == fast


@settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    speeds=st.lists(st.floats(1, 1000), min_size=1, max_size=40, unique=True),
    load=st.floats(0, 5),
    seconds=st.floats(1, 300),
)
def test_the_time_is_kept_and_the_best_of_a_noiseless_table_is_found(
    speeds: list[float], load: float, seconds: float
) -> None:
    arms = [Arm("net_onnx", Knobs(instances=number)) for number in range(len(speeds))]
    bench = TableBench(lambda arm: Score(speeds[arm.knobs.instances], 1.0), load)
    bench.measure(arms[0], 0.5)
    end = bench.now() + seconds
    ranked = halve(arms, end, bench, ANY)
    assert bench.now() <= end + 1e-6
    if ranked:
        measured = {arm for arm, _ in bench.log[1:]}
        assert speeds[ranked[0].knobs.instances] == max(speeds[arm.knobs.instances] for arm in measured)
        assert set(ranked) == measured
    else:
        assert seconds < load + 0.5 + 1e-9
