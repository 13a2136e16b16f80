"""The order of a run: warm every cell up, then rounds of one window for each, until all are stable.

Rounds go over all the cells, and for each load over the models (A B C A B C …). So a drift of the machine hits all
alike, and the scatter of a cell's windows, of which its intervals are made, holds that drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tritonrepo.client.errors import RequestError, TritonRepoError
from tritonrepo.client.transport import Transport
from tritonrepo.compare.cells import Cell, Setting, Window, is_stable
from tritonrepo.compare.engine import Engine
from tritonrepo.compare.plan import Plan

LATENCIES_PER_WINDOW = 2
"""A window holds at least so many average latencies, however slow the model."""
WINDOW_TO_WARM_UP = 4
"""How much longer a window is than one of the warm-up's."""


@dataclass(frozen=True)
class Step:
    """What a run does next, for a progress bar.

    Attributes:
        what: In words.
        done: How many steps are behind it.
        total: How many there are, as far as can be known: unstable cells get more of them.
    """

    what: str
    done: int
    total: int


Progress = Callable[[Step], None]


class Run:
    """Measures the settings; `cells` can be read at any time, also when an interruption has ended `measure`.

    A model that is not there any more loses its remaining windows, and so does a cell whose requests all fail; the
    others go on.
    """

    def __init__(self, engine: Engine, transport: Transport, settings: Iterable[Setting], plan: Plan) -> None:
        """Measure nothing yet.

        Args:
            engine: Drives the load.
            transport: Says which models are ready.
            settings: The cells to measure, in their order.
            plan: How many windows, and how long they are.
        """
        self._engine, self._transport, self._plan = engine, transport, plan
        self._latencies: dict[Setting, float] = {}
        self._windows: dict[Setting, list[Window]] = {setting: [] for setting in settings}
        self._errors: dict[Setting, str] = {}
        self._done = 0

    @property
    def cells(self) -> list[Cell]:
        """What was measured until now."""
        return [
            Cell(setting, tuple(windows), self._errors.get(setting), self._plan.stability)
            for setting, windows in self._windows.items()
        ]

    def measure(self, progress: Progress = lambda step: None) -> None:
        """Warm up, then measure the rounds.

        Args:
            progress: Is called before each warm-up and window.
        """
        for setting in self._remaining(list(self._windows)):
            self._announce(f"warm-up: {setting}", progress)
            self._warm_up(setting)
        for number in range(self._plan.most_windows):
            for setting in self._remaining(self._settings_of_round(number)):
                self._announce(f"round {number + 1}: {setting}", progress)
                self._measure_window(setting)

    def _announce(self, what: str, progress: Progress) -> None:
        expected = len(self._windows) * (1 + self._plan.windows)
        progress(Step(what, self._done, max(expected, self._done + 1)))
        self._done += 1

    def _remaining(self, settings: Sequence[Setting]) -> Iterator[Setting]:
        """Those that are not lost when their turn comes."""
        return (setting for setting in settings if setting not in self._errors)

    def _settings_of_round(self, number: int) -> list[Setting]:
        if number < self._plan.windows:
            return list(self._windows)
        # With its peers, so that what is compared was measured at the same time.
        unstable = {_load_of(setting) for setting in self._windows if self._needs_more(setting)}
        return [setting for setting in self._windows if _load_of(setting) in unstable]

    def _needs_more(self, setting: Setting) -> bool:
        cell = Cell(setting, tuple(self._windows[setting]), self._errors.get(setting))
        # Beyond capacity nothing gets stable.
        return cell.error is None and cell.sustained and not is_stable(cell.windows, self._plan.stability)

    def _warm_up(self, setting: Setting) -> None:
        try:
            seconds = self._plan.window / WINDOW_TO_WARM_UP
            self._latencies[setting] = self._engine.warm_up(setting, seconds, self._plan.stability)
        except TritonRepoError as exc:
            self._lose(setting, str(exc))

    def _measure_window(self, setting: Setting) -> None:
        seconds = max(self._plan.window, LATENCIES_PER_WINDOW * self._latencies[setting] / 1e3)
        try:
            window = self._engine.window(setting, seconds)
        except TritonRepoError as exc:
            self._lose(setting, str(exc))
            return
        gone = _why_gone(self._transport, setting.model) if window.failures else None
        if gone or not window.requests:
            reason = max(window.failures, key=lambda reason: window.failures[reason], default="no request was answered")
            self._lose(setting, reason)
        else:
            self._windows[setting].append(window)

    def _lose(self, setting: Setting, reason: str) -> None:
        """The cell, or all of the model's if the server says that it is gone."""
        gone = _why_gone(self._transport, setting.model)
        for other in self._windows:
            if other == setting or (gone and other.model == setting.model):
                self._errors.setdefault(other, f"gone while it was measured: {gone}" if gone else f"failed: {reason}")


def settings(plan: Plan, models: Sequence[str]) -> Iterator[Setting]:
    """Every model under every load, the models next to each other."""
    for size in plan.batch_sizes:
        for rate in plan.request_rates:
            yield from (Setting(model, size, request_rate=rate) for model in models)
        for number in () if plan.request_rates else plan.concurrency:
            yield from (Setting(model, size, concurrency=number) for model in models)


def _load_of(setting: Setting) -> tuple[object, ...]:
    return setting.batch_size, setting.concurrency, setting.request_rate


def _why_gone(transport: Transport, model: str) -> str | None:
    """Why the server cannot run the model now; None if it says that it can."""
    try:
        versions = [status for status in transport.models() if status.name == model]
    except RequestError:
        return None
    except TritonRepoError as exc:
        return str(exc)
    if any(status.ready for status in versions):
        return None
    return next((status.reason for status in versions if status.reason), "it is not ready any more")
