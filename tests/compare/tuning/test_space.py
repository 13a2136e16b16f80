"""Which configurations are tried, and in which order."""

from __future__ import annotations

from tests.compare.tuning.subjects import subject
from tritonrepo.compare.tuning.knobs import Knobs
from tritonrepo.compare.tuning.space import Arm, Machine, batchings, placements, this_machine

GIB = 2.0**30
TWO_CORES = Machine(2, 16 * GIB, openvino=True)


def places(arms: list[Arm]) -> set[tuple[int, int | None, str | None]]:
    return {(arm.knobs.instances, arm.knobs.threads, arm.knobs.accelerator) for arm in arms}


def test_two_cores_are_shared_out_in_every_way_but_that_of_today() -> None:
    plain = {(1, 1, None), (2, 1, None), (2, None, None)}
    openvino = {(1, 1, "openvino"), (1, None, "openvino"), (2, 1, "openvino"), (2, None, "openvino")}
    assert places(placements([subject()], TWO_CORES)) == plain | openvino
    assert places(placements([subject()], Machine(2, 16 * GIB, openvino=False))) == plain


def test_many_cores_are_neither_left_idle_nor_taken_thrice() -> None:
    found = places(placements([subject()], Machine(16, 64 * GIB, openvino=False)))
    assert (16, 1, None) in found
    assert (4, 4, None) in found
    assert (1, 1, None) not in found
    assert (16, None, None) not in found


def test_what_memory_cannot_hold_is_not_tried() -> None:
    large = subject(size=2 * 10**9)
    assert {one for one, _, _ in places(placements([large], TWO_CORES))} == {1}


def test_torchscript_has_no_accelerator() -> None:
    found = places(placements([subject("net_torchscript", "pytorch")], TWO_CORES))
    assert {accelerator for _, _, accelerator in found} == {None}


def test_formats_take_turns_and_the_order_is_always_the_same() -> None:
    subjects = [subject(), subject("net_torchscript", "pytorch")]
    first = placements(subjects, TWO_CORES)
    assert {(arm.model, arm.knobs.accelerator) for arm in first[:3]} == {
        ("net_onnx", None),
        ("net_onnx", "openvino"),
        ("net_torchscript", None),
    }
    assert placements(subjects, TWO_CORES) == first


def test_batches_are_no_larger_than_what_is_in_flight_or_accepted() -> None:
    arm = Arm("net_onnx", Knobs(instances=2))
    found = {(one.knobs.queue_delay_us, one.knobs.preferred) for one in batchings(arm, 8, 4)}
    assert found == {
        (0, (1,)),
        (0, (2,)),
        *((delay, limit) for delay in (1000, 5000) for limit in ((), (2,), (4,))),
    }
    assert max(one.knobs.preferred for one in batchings(arm, 2, 4)) == (2,)
    assert batchings(arm, 0, 4) == []
    assert {one.knobs.preferred for one in batchings(arm, 8, 1)} == {()}
    assert all(one.knobs.instances == 2 for one in batchings(arm, 8, 4))


def test_this_machine_has_something() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.memory > 0
