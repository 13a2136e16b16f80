"""The whole search over a table of costs: the same each time, within its time."""

from __future__ import annotations

import pytest

from tests.compare.tuning.subjects import TableBench, subject
from tritonrepo.client.errors import RequestError, UsageError
from tritonrepo.compare.tuning.halving import Score
from tritonrepo.compare.tuning.knobs import Knobs
from tritonrepo.compare.tuning.search import Found, Load, search
from tritonrepo.compare.tuning.space import Arm, Machine

MACHINE = Machine(2, 2.0**34, openvino=True)
ONNX, TORCHSCRIPT = subject(), subject("net_torchscript", "pytorch")


def table(arm: Arm) -> Score:
    """OpenVINO is twice as fast, two instances of one thread a fifth faster, a delay costs what it is."""
    speed = 10.0 * (2 if arm.knobs.accelerator else 1) * (0.6 if arm.model == "net_torchscript" else 1)
    speed *= 1.2 if (arm.knobs.instances, arm.knobs.threads) == (2, 1) else 1
    speed *= 1.1 if arm.knobs.preferred == (2,) else 1
    delay = arm.knobs.queue_delay_us / 1000
    return Score(4000 / (4000 / speed + delay), 4000 / speed + delay)


def run(bench: TableBench, seconds: float, limit: float | None = None, formats: bool = True) -> Found:
    began = bench.now()
    subjects = [ONNX, TORCHSCRIPT] if formats else [ONNX]
    return search(bench, subjects, MACHINE, Load(4, limit), began, began + seconds)


def test_the_best_of_the_table_is_found() -> None:
    bench = TableBench(table, load=0.5)
    found = run(bench, 120)
    assert found.challenger == Arm("net_onnx", Knobs(2, 1, 0, (2,), "openvino"))
    assert found.present == found.own == Arm("net_onnx", Knobs())
    again = TableBench(table, load=0.5)
    assert run(again, 120) == found
    assert again.log == bench.log


@pytest.mark.parametrize("seconds", [20, 60, 600])
def test_the_final_gets_its_time(seconds: float) -> None:
    bench = TableBench(table, load=1.0)
    found = run(bench, seconds)
    assert found.final_ends == 100 + seconds - 1.0, "the last models take as long to end as to load"
    assert 0.3 * seconds <= found.final_ends - bench.now() <= 0.6 * seconds


def test_a_format_that_loads_for_long_is_planned_by_its_own_time() -> None:
    bench = TableBench(table, loads={"net_torchscript": 9.0}, load=0.2)
    found = run(bench, 100)
    assert found.challenger.knobs.accelerator == "openvino"
    assert bench.now() <= 100 + 70


def test_a_delay_of_today_does_not_hide_what_a_place_is_worth() -> None:
    slow = subject()
    slow.config.dynamic_batching.max_queue_delay_microseconds = 500_000
    bench = TableBench(table, load=0.5)
    found = search(bench, [slow], MACHINE, Load(), bench.now(), bench.now() + 60)
    assert (found.challenger.knobs.queue_delay_us, found.challenger.knobs.accelerator) == (0, "openvino")


def test_within_a_limit_the_latency_rules() -> None:
    bench = TableBench(lambda arm: Score(arm.knobs.instances * 10.0, arm.knobs.instances * 30.0))
    assert run(bench, 100, limit=50, formats=False).challenger.knobs.instances == 1


def test_the_present_meets_the_best_of_the_others_also_where_it_is_the_best() -> None:
    bench = TableBench(lambda arm: Score(50.0 if arm.knobs == Knobs() else 10.0, 1.0))
    found = run(bench, 100, formats=False)
    assert found.present.knobs == Knobs()
    assert found.challenger != found.present


def test_another_format_can_win_as_it_stands() -> None:
    now = Arm("net_torchscript", Knobs())
    found = run(TableBench(lambda arm: Score(50.0 if arm == now else 10.0, 1.0)), 100)
    assert found.challenger == found.own == now
    assert found.present.model == "net_onnx"


def test_a_format_that_does_not_serve_is_left_out() -> None:
    bench = TableBench(lambda arm: None if arm.model == "net_torchscript" else table(arm))
    found = run(bench, 100)
    assert found.left_out == {"net_torchscript": "does not load"}
    assert [arm.model for arm, _ in bench.log].count("net_torchscript") == 1


def test_what_is_there_must_serve() -> None:
    with pytest.raises(RequestError, match="net_onnx cannot be served as it stands: does not load"):
        run(TableBench(lambda arm: None), 100)


def test_a_budget_without_room_for_one_candidate_is_named() -> None:
    with pytest.raises(UsageError, match=r"the budget is too short: a candidate alone takes 5\.5 s"):
        run(TableBench(table, load=5.0), 8, formats=False)


def test_where_there_is_no_other_way_that_is_said() -> None:
    fixed, bench, one_core = subject(), TableBench(table), Machine(1, 2.0**34, openvino=False)
    fixed.config.max_batch_size = 0
    with pytest.raises(UsageError, match="there is no other way to run this model"):
        search(bench, [fixed], one_core, Load(), bench.now(), bench.now() + 100)
