"""The order of a run: warm every cell up, then rounds of one window for each, until all are stable.

Rounds go over all the cells, and for each load over the models (A B C A B C …). So a drift of the machine hits all
alike, and the scatter of a cell's windows, of which its intervals are made, holds that drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tritonrepo.client.errors import RequestError, TritonRepoError, UsageError
from tritonrepo.client.transport import Transport
from tritonrepo.compare.cells import STABILITY, STABLE_WINDOWS, Cell, Setting, Window, is_stable

# A window holds at least so many average latencies, however slow the model.
LATENCIES_PER_WINDOW = 2
# How much longer a window is than one of the warm-up's.
WINDOW_TO_WARM_UP = 4


class Engine(Protocol):
    """What drives the load."""

    name: str
    version: str

    def warm_up(self, setting: Setting, seconds: float, stability: float) -> float:
        """Run under the load until windows of `seconds` are stable, or for long enough; the average latency in ms.

        Raises TritonRepoError.
        """

    def window(self, setting: Setting, seconds: float) -> Window:
        """One window; one without an answer has only failures. Raises TritonRepoError where it cannot even be tried."""


@dataclass(frozen=True)
class Plan:
    """`window`: seconds of a window, at least. Windows of a cell: `windows`, and up to `most_windows` if unstable."""

    window: float = 2.0
    windows: int = 5
    most_windows: int = 10
    stability: float = STABILITY

    def __post_init__(self) -> None:
        if not self.window > 0:
            raise UsageError(f"a window of {self.window:g} s: it must be more than 0")
        if self.windows < STABLE_WINDOWS:
            raise UsageError(f"{self.windows} windows: the stability rule and the intervals need {STABLE_WINDOWS}")
        if not self.stability > 0:
            raise UsageError(f"a stability of {self.stability:.0%}: it must be more than 0")


class Run:
    """Measures the settings; `cells` can be read at any time, also when an interruption has ended `measure`.

    A model that is not there any more loses its remaining windows, and so does a cell whose requests all fail; the
    others go on.
    """

    def __init__(self, engine: Engine, transport: Transport, settings: Sequence[Setting], plan: Plan) -> None:
        self._engine, self._transport, self._plan = engine, transport, plan
        self._latencies: dict[Setting, float] = {}
        self._windows: dict[Setting, list[Window]] = {setting: [] for setting in settings}
        self._errors: dict[Setting, str] = {}

    @property
    def cells(self) -> list[Cell]:
        return [
            Cell(setting, tuple(windows), self._errors.get(setting), self._plan.stability)
            for setting, windows in self._windows.items()
        ]

    @property
    def steps(self) -> int:
        """How often `measure` calls back, unless cells are lost or need more windows."""
        return len(self._windows) * (1 + self._plan.windows)

    def measure(self, on_step: Callable[[str], None] = lambda what: None) -> None:
        """`on_step` is called before each warm-up and window, with words for what comes."""
        for setting in self._windows:
            if setting not in self._errors:
                on_step(f"warm-up: {setting}")
                self._warm_up(setting)
        for number in range(max(self._plan.windows, self._plan.most_windows)):
            for setting in self._settings_of_round(number):
                if setting not in self._errors:
                    on_step(f"round {number + 1}: {setting}")
                    self._measure_window(setting)

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


def settings(
    models: Sequence[str], batch_sizes: Sequence[int], concurrency: Sequence[int], request_rates: Sequence[float] = ()
) -> Iterator[Setting]:
    """Every model under every load, the models next to each other. With request rates the loops are open."""
    for size in batch_sizes:
        for rate in request_rates:
            yield from (Setting(model, size, request_rate=rate) for model in models)
        for number in () if request_rates else concurrency:
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
