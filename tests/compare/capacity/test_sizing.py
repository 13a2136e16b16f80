"""From runs with known times to the servers that a demand needs."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.compare.capacity.cells import alone, busy, open_cell, poisson, report, served
from tests.compare.reports import CONDITIONS, MACHINE, make_agreement, window
from tests.compare.reports import cell as plain_cell
from tritonrepo.client.errors import UsageError
from tritonrepo.compare.capacity.sizing import Demand, Sizing, size
from tritonrepo.compare.cells import Cell, Setting, Split
from tritonrepo.compare.report import Report, Server

EXPONENTIAL = tuple(12 * -np.log1p(-(np.arange(1000) + 0.5) / 1000))
"""Latencies in ms whose scatter is that of exponential times."""


def sizes(*reports: Report, rate: float = 1000, p95: float = 1e4, **demand: float) -> Sizing:
    return size(reports, Demand(rate, p95, **demand))


def test_a_demand_that_only_the_utilisation_bounds() -> None:
    """10 ms an image: 100 a second at most, 80 at 80%."""
    (fleet,) = sizes(report(alone(10))).fleets
    assert (fleet.model, fleet.batch_size, fleet.replicas) == ("m", 1, math.ceil(1000 / 80))
    assert fleet.capacity == pytest.approx(100)
    assert fleet.rate == pytest.approx(1000 / 13)
    assert fleet.utilisation == pytest.approx(10 / 13)
    assert (fleet.memory, fleet.cost) == (300.0, None)


def test_the_utilisation_that_keeps_the_latency() -> None:
    """M/M/1: 95 of 100 within 10 ms * ln(20) / (1 - load), and 1.5 ms for the way: 60 ms allow a load of 49%."""
    unbatched = report(alone(10, latencies=EXPONENTIAL), models=[served(batching=False)])
    (fleet,) = sizes(unbatched, p95=60).fleets
    load = 1 - 10 * math.log(20) / (60 - 1.5)
    assert fleet.replicas == pytest.approx(1000 / (100 * load), abs=1.5)
    assert fleet.p95 <= 60
    # Little's law: requests at a server are its rate times their mean time.
    assert fleet.in_flight == pytest.approx(fleet.rate * (10 / (1 - fleet.utilisation) + 1.5) / 1e3, rel=0.1)


def test_the_least_is_said_when_no_number_of_servers_helps() -> None:
    found = sizes(report(alone(10), alone(40, 4)), p95=5)
    assert found.fleets == ()
    assert found.least is not None
    assert found.least[:2] == ("m", 1)
    assert found.least[2] == pytest.approx(11.5, rel=0.02)


def test_the_fewest_servers_come_first() -> None:
    """Batches of four are cheaper for each image."""
    found = sizes(report(alone(10), alone(16, 4), busy(4 / 0.016, {4: 100})))
    assert [(fleet.batch_size, fleet.replicas) for fleet in found.fleets] == [(1, 5), (4, 5)]
    assert found.fleets[0].p95 < found.fleets[1].p95


def test_a_faster_model_that_does_not_agree_is_left_out() -> None:
    cells = [alone(10), alone(5, model="wrong"), alone(20, model="slow")]
    models = [served(), served("wrong"), served("slow")]
    found = sizes(report(*cells, models=models, agreements=(make_agreement("wrong", shift=1.0),)))
    assert [fleet.model for fleet in found.fleets] == ["m", "slow"]
    assert found.left_out == {"wrong": "it does not agree with the reference"}


def test_open_loops_alone_do_not_tell() -> None:
    found = sizes(poisson(open_cell(30, 15)))
    assert (found.fleets, found.least, found.checks) == ((), None, ())
    assert "no closed loop" in found.left_out["m"]


def test_failures_are_not_counted_on() -> None:
    failing = plain_cell("m", failures={"refused": 1})
    assert "no closed loop without failures" in sizes(report(failing)).left_out["m"]


def test_predictions_stand_beside_open_loops() -> None:
    models = [served(batching=False)]
    closed = report(alone(10, latencies=EXPONENTIAL), models=models)
    (check,) = sizes(closed, poisson(open_cell(60, 70.0), models=models)).checks
    assert (check.rate, check.utilisation, check.measured) == pytest.approx((60, 0.6, 70))
    assert check.predicted == pytest.approx(10 * math.log(20) / 0.4 + 1.5, rel=0.08)
    assert check.error == pytest.approx(check.predicted / 70 - 1)


def test_an_open_loop_at_a_low_rate_gives_the_scatter() -> None:
    """Executions of 10 ms that are 15 ms there, on a server of at most 100 a second; at 60 it does not tell."""

    def at(rate: float) -> Cell:
        one = replace(window(rate, 17.0), latencies=(17.0,) * 4, split=Split(0.5, 0.0, 15.0, 0.0, {1: 50}))
        return Cell(Setting("m", 1, request_rate=rate), (one,) * 3)

    closed = report(alone(10))
    (light,) = sizes(closed, poisson(at(30))).fleets
    (heavy,) = sizes(closed, poisson(at(60))).fleets
    assert light.p95 > heavy.p95
    for opened, least in (((), 11.5), ((poisson(at(60)),), 11.5), ((poisson(at(30)),), 16.5)):
        found = sizes(closed, *opened, p95=1).least
        assert found is not None
        assert found[2] == pytest.approx(least, rel=0.02)


def test_an_open_loop_at_equal_intervals_is_predicted_as_such() -> None:
    (check,) = sizes(report(alone(10)), report(open_cell(90, 12.0))).checks
    assert check.predicted == pytest.approx(11.5)


def test_several_runs_of_the_same_are_taken_together() -> None:
    """Each counts by its requests, 200 and 143 in a window."""
    (fleet,) = sizes(report(alone(8)), report(alone(12))).fleets
    assert fleet.capacity == pytest.approx(1e3 * 343 / (8 * 200 + 12 * 143))


OTHER: dict[str, tuple[str, dict[str, Any]]] = {
    "cpu": ("CPUs, EPYC <7> and Xeon", {"machine": replace(MACHINE, cpu="Xeon")}),
    "threads": ("numbers of CPU threads, 2 and 8", {"machine": replace(MACHINE, threads=8)}),
    "gpu": ("GPUs, none and NVIDIA H100", {"machine": replace(MACHINE, gpus=("NVIDIA H100, 580.1, 81559 MiB",))}),
    "server": ("Triton versions, 2.51.0 and 2.75.0", {"server": Server("triton", "2.75.0")}),
    "protocol": ("protocols, grpc and http", {"conditions": replace(CONDITIONS, protocol="http")}),
}


@pytest.mark.parametrize("what", OTHER)
def test_runs_of_two_machines_or_servers_are_refused(what: str) -> None:
    sentence, changes = OTHER[what]
    with pytest.raises(UsageError, match=f"the runs are of two {sentence}: .* ask for each machine by itself"):
        sizes(report(alone(10)), report(alone(5), **changes))


def test_a_machine_with_another_driver_or_name_is_the_same() -> None:
    runs = [report(alone(10), machine=replace(MACHINE, system=s, gpus=(f"H100, {s}, 80 GiB",))) for s in "12"]
    assert sizes(*runs).fleets[0].capacity == pytest.approx(100)


def test_a_model_of_two_configurations_is_left_out() -> None:
    both = [alone(10), alone(10, model="other")]
    two = report(*both, models=[served(count=2), served("other")])
    found = sizes(report(*both, models=[served(), served("other")]), two)
    assert [fleet.model for fleet in found.fleets] == ["other"]
    assert found.left_out == {"m": "the runs are of two configurations of it"}


def test_costs_and_bytes() -> None:
    found = sizes(report(alone(10)), price=0.5, encoded=1e5)
    assert found.fleets[0].cost == pytest.approx(6.5)
    assert found.bytes_of_image == {"fp32": 602_112, "uint8": 150_528, "encoded": 100_000}


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0.0},
        {"p95": math.inf},
        {"utilisation": 1.0},
        {"utilisation": 0.0},
        {"price": -1.0},
        {"encoded": math.nan},
    ],
    ids=str,
)
def test_demands_that_are_none(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        sizes(report(alone(10)), **wrong)


EDITED: dict[str, dict[str, Any]] = {
    "nan": {"average": math.nan, "split": None},
    "infinite": {"average": math.inf, "split": None},
    "nothing": {"average": 0.0, "split": None},
    "negative": {"split": Split(0.0, 0.0, -5.0, 0.0, {1: 9})},
    "nan latencies": {"latencies": (math.nan,) * 4},
    "no latency": {"latencies": (0.0,) * 4},
}


@pytest.mark.parametrize("what", EDITED)
def test_figures_that_are_none_make_no_prediction(what: str) -> None:
    cell = alone(10)
    edited = Cell(cell.setting, tuple(replace(window, **EDITED[what]) for window in cell.windows))
    found = sizes(report(edited, alone(10, model="other"), models=[served(), served("other")]))
    assert [fleet.model for fleet in found.fleets] == ["other"]
    assert "its closed loop does not tell how long it takes; measure it again" in found.left_out["m"]


@pytest.mark.parametrize("latency", [math.nan, 0.0])
def test_an_open_loop_whose_figures_are_none_is_no_check(latency: float) -> None:
    assert sizes(report(alone(10)), poisson(open_cell(30, latency))).checks == ()


@pytest.mark.parametrize("instances", [(1e308,), ({"count": "x"},), ({"count": 10**30},), ({"count": None},)])
def test_a_model_whose_figures_somebody_has_edited_is_left_out(instances: tuple[Any, ...]) -> None:
    edited = replace(served("edited"), instances=instances)
    found = sizes(report(alone(10), alone(10, model="edited"), models=[served(), edited]))
    assert [fleet.model for fleet in found.fleets] == ["m"]
    assert list(found.left_out) == ["edited"]
