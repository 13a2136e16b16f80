"""The order of a run, and what becomes of cells that are lost in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.compare.reports import window
from tritonrepo.client.errors import RequestError, ServerUnavailableError
from tritonrepo.client.transport import ModelStatus, Transport
from tritonrepo.compare.cells import Growth, Setting, Window
from tritonrepo.compare.plan import Plan
from tritonrepo.compare.rounds import Run, Step, settings

PLAN = Plan(window=1.0, windows=3, most_windows=5)
A, B = Setting("a", 1, 1), Setting("b", 1, 1)
FAILED = replace(window(0, 1.0, {"planted": 3}), requests=0)


class Engine:
    """Answers with what `answer` makes of a setting and the number of its window; keeps the order."""

    name, version = "fake", "1"

    def __init__(self, answer: Callable[[Setting, int], Window], latency: float = 10.0) -> None:
        self.order: list[str] = []
        self.seconds: list[float] = []
        self._answer, self._latency = answer, latency

    def close(self) -> None:
        pass

    def warm_up(self, setting: Setting, seconds: float, stability: float) -> float:
        self.order.append(setting.model.upper())
        return self._latency

    def window(self, setting: Setting, seconds: float) -> Window:
        number = self.order.count(setting.model)
        self.order.append(setting.model)
        self.seconds.append(seconds)
        return self._answer(setting, number)


class Repository:
    """The part of the transport that is asked: which models are ready."""

    def __init__(self, *gone: str, away: bool = False) -> None:
        self._gone, self._away = gone, away

    def models(self) -> tuple[ModelStatus, ...]:
        if self._away:
            raise ServerUnavailableError("nothing listens there")
        states = {name: "UNAVAILABLE" if name in self._gone else "READY" for name in "ab"}
        return tuple(ModelStatus(n, "1", s, "unloaded" if n in self._gone else "") for n, s in states.items())


def run_of(engine: Engine, plan: Plan = PLAN, *gone: str, away: bool = False, cells: Any = (A, B)) -> Run:
    repository: Any = Repository(*gone, away=away)
    transport: Transport = repository
    return Run(engine, transport, cells, plan)


def test_warm_up_comes_first_and_the_models_take_turns() -> None:
    engine = Engine(lambda setting, number: window(10, 100))
    run = run_of(engine)
    run.measure()
    assert "".join(engine.order) == "AB" + "ab" * 3
    assert [len(cell.windows) for cell in run.cells] == [3, 3]
    assert all(cell.stable and cell.error is None for cell in run.cells)


def test_an_unstable_cell_gets_more_windows_and_so_do_its_peers() -> None:
    engine = Engine(lambda setting, number: window(10 if setting == A or number > 2 else 10 + 3 * number, 100))
    run_of(engine).measure()
    assert "".join(engine.order) == "AB" + "ab" * 5


def test_beyond_capacity_nothing_is_waited_for() -> None:
    growth = Growth(10, 100, offered=50, achieved=20)
    engine = Engine(lambda setting, number: replace(window(10 + 5 * number, 100), growth=growth))
    run_of(engine).measure()
    assert "".join(engine.order) == "AB" + "ab" * 3


@pytest.mark.parametrize(("latency", "seconds"), [(10.0, 1.0), (4000.0, 8.0)])
def test_a_window_holds_some_latencies(latency: float, seconds: float) -> None:
    engine = Engine(lambda setting, number: window(10, 100), latency)
    run_of(engine).measure()
    assert set(engine.seconds) == {seconds}


def test_a_cell_whose_requests_all_fail_is_lost_and_the_rest_goes_on() -> None:
    large = Setting("a", 8, 1)
    run = run_of(Engine(lambda s, number: FAILED if s == large else window(10, 100)), cells=(A, B, large))
    run.measure()
    assert [cell.error for cell in run.cells] == [None, None, "failed: planted"]
    assert [len(cell.windows) for cell in run.cells] == [3, 3, 0]


def test_a_model_that_is_gone_loses_all_its_cells_and_keeps_its_windows() -> None:
    large = Setting("a", 8, 1)
    engine = Engine(lambda s, number: FAILED if s.model == "a" and number >= 3 else window(10, 100))
    run = run_of(engine, PLAN, "a", cells=(A, B, large))
    run.measure()
    small, other, big = run.cells
    assert small.error == big.error == "gone while it was measured: unloaded"
    assert (len(small.windows), len(big.windows), len(other.windows)) == (2, 1, 3)


def test_a_window_in_which_the_model_went_away_does_not_count() -> None:
    half = replace(window(10, 100), failures={"planted": 5})
    run = run_of(Engine(lambda s, number: half if s == A and number == 1 else window(10, 100)), PLAN, "a")
    run.measure()
    assert len(run.cells[0].windows) == 1


def test_some_failures_of_a_ready_model_are_kept_and_counted() -> None:
    half = replace(window(10, 100), failures={"planted": 5})
    run = run_of(Engine(lambda s, number: half if s == A else window(10, 100)))
    run.measure()
    assert run.cells[0].failures == {"planted": 15}
    assert run.cells[0].error is None


def test_without_a_server_every_cell_says_so() -> None:
    def refuse(setting: Setting, number: int) -> Window:
        raise RequestError("refused")

    run = run_of(Engine(refuse), away=True)
    run.measure()
    assert {cell.error for cell in run.cells} == {"gone while it was measured: nothing listens there"}


def test_an_interruption_keeps_what_was_measured() -> None:
    def interrupt(step: Step) -> None:
        if step.what.startswith("round 3: b"):
            raise KeyboardInterrupt

    run = run_of(Engine(lambda setting, number: window(10, 100)))
    with pytest.raises(KeyboardInterrupt):
        run.measure(interrupt)
    assert [len(cell.windows) for cell in run.cells] == [3, 2]


def test_the_settings_put_the_models_of_one_load_together() -> None:
    found = list(settings(Plan(batch_sizes=[1, 8], concurrency=[1, 4]), ["a", "b"]))
    assert [(s.model, s.batch_size, s.concurrency) for s in found[:4]] == [
        ("a", 1, 1),
        ("b", 1, 1),
        ("a", 1, 4),
        ("b", 1, 4),
    ]
    assert len(found) == 8
    rates = list(settings(Plan(batch_sizes=[1], concurrency=[1, 4], request_rates=[10.0, 20.0]), ["a"]))
    assert [(s.concurrency, s.request_rate) for s in rates] == [(None, 10.0), (None, 20.0)]


def test_the_steps_are_counted_for_a_progress_bar() -> None:
    steps: list[Step] = []
    engine = Engine(lambda setting, number: window(10 if setting == A or number > 2 else 10 + 3 * number, 100))
    run_of(engine).measure(steps.append)
    assert [step.done for step in steps] == list(range(12))
    assert [step.total for step in steps] == [8] * 8 + [9, 10, 11, 12]
    assert (steps[0].what, steps[2].what) == (
        "warm-up: a, batch 1, concurrency 1",
        "round 1: a, batch 1, concurrency 1",
    )
