"""What measures candidates: load one, hold its answers against today's, drive it with compare's windows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.contract import ModelContract, read_contract
from tritonrepo.client.errors import ContractError, ImageError, TritonRepoError, UsageError
from tritonrepo.client.transport import Transport
from tritonrepo.compare.agreement import answers, compare
from tritonrepo.compare.cells import Cell, Setting
from tritonrepo.compare.choice import tail
from tritonrepo.compare.criteria import TOLERANCE
from tritonrepo.compare.inputs import Inputs, prepare
from tritonrepo.compare.plan import STABLE_WINDOWS, Plan
from tritonrepo.compare.python_engine import PythonEngine
from tritonrepo.compare.rounds import Run, Step
from tritonrepo.compare.tuning.halving import Score
from tritonrepo.compare.tuning.rounds import divide, seconds_of_window, shortest
from tritonrepo.compare.tuning.scratch import Scratch
from tritonrepo.compare.tuning.space import Arm
from tritonrepo.compare.tuning.subjects import Subject

CHECKED = 8
"""So many images' answers are compared: of a wrong configuration, all are wrong."""
LEAST_SECONDS = 0.4
LEAST_SERVICES = 8
"""A measurement is at least so many times as long as the server takes for one request, waiting aside."""

WARM_UP_WINDOWS = 1.5
"""As long as the warm-up of a cell is at the most, in lengths of a window."""


class Server(Protocol):
    """A server over the scratch repository, which loads what it is told."""

    @property
    def grpc_url(self) -> str:
        """HOST:PORT."""

    def load(self, name: str) -> None:
        """Load a model; raises TritonRepoError with the reason if it cannot be."""

    def unload(self, name: str) -> None:
        """Give a model up."""


class _TimeIsUpError(Exception):
    """Ends a run between two windows."""


@dataclass(frozen=True)
class _Served:
    """A candidate that is loaded, under the name that it has there."""

    arm: Arm
    contract: ModelContract


class ServedBench:
    """Measures candidates in one server. All that it learns can be read at any time.

    Attributes:
        cells: What each candidate was last measured at.
        lost: The candidates that cannot be taken -> why.
    """

    def __init__(
        self,
        server: Server,
        transport: Transport,
        scratch: Scratch,
        subjects: Mapping[str, Subject],
        images: Sequence[str] = (),
        concurrency: int = 4,
        watch: Callable[[str], None] = lambda what: None,
    ) -> None:
        """Load nothing yet.

        Args:
            server: Serves `scratch`.
            transport: To that server.
            scratch: Where candidates are laid out.
            subjects: The models by name.
            images: What is sent; none: noise.
            concurrency: Requests in flight.
            watch: Is told what is measured next.
        """
        self.cells: dict[Arm, Cell] = {}
        self.lost: dict[Arm, str] = {}
        self._server, self._transport, self._scratch, self._subjects = server, transport, scratch, subjects
        self._images, self._concurrency, self._watch = images, concurrency, watch
        self._inputs: Inputs | None = None
        self._expected: dict[str, NDArray[np.float64]] = {}
        self._overheads: dict[str, list[float]] = {}

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def overhead(self, candidate: Arm) -> float:
        """The mean of what loading, checking and unloading the model took until now."""
        return statistics.fmean(self._overheads.get(candidate.model) or [0.0])

    def least(self, candidate: Arm) -> float:
        """From the quickest service that the model has shown. The wait in a queue is what is to be tuned."""
        services = [_service(cell) for arm, cell in self.cells.items() if arm.model == candidate.model]
        return max(LEAST_SECONDS, LEAST_SERVICES * min(services, default=0.0))

    def final(self, candidate: Arm) -> float:
        """From the latency that it was measured at."""
        return self.overhead(candidate) + shortest(self.cells[candidate].average.mean / 1e3)

    def measure(self, candidate: Arm, seconds: float) -> Score | None:
        """Measure a candidate alone; see `halving.Bench`.

        Raises:
            ImageError: A picture that is to be sent cannot be used.
            UsageError: There is none.
        """
        self._watch(str(candidate))
        began = self.now()
        try:
            with self._loaded(candidate) as served:
                loaded = self.now()
                window = seconds / (STABLE_WINDOWS + WARM_UP_WINDOWS)
                (cell,) = self._drive([served], STABLE_WINDOWS, window, loaded + seconds)
                driven = self.now() - loaded
        except (ImageError, UsageError):  # of the pictures that were named, which are the same for every candidate
            raise
        except TritonRepoError as exc:
            self.lost[candidate] = str(exc)
            return None
        self._overheads.setdefault(candidate.model, []).append(self.now() - began - driven)
        return self._keep(candidate, cell)

    def measure_together(self, arms: Sequence[Arm], until: float) -> list[Cell]:
        """Measure candidates beside each other, in rounds over all of them, for as long as there is time.

        Returns:
            A cell for each, with equally many windows: those of the rounds that are whole.

        Raises:
            TritonRepoError: One cannot be loaded any more, or answers otherwise than it did.
        """
        self._watch("the final: " + " against ".join(map(str, arms)))
        latencies = [self.cells[arm].average.mean / 1e3 for arm in arms]
        with ExitStack() as stack:
            served = [stack.enter_context(self._loaded(arm)) for arm in arms]
            window, windows = divide(until - self.now(), latencies)
            slowest = max(seconds_of_window(window, latency) for latency in latencies)
            cells = self._drive(served, windows, window, until - slowest)
        whole = min(len(cell.windows) for cell in cells)
        cells = [Cell(cell.setting, cell.windows[:whole], cell.error, cell.stability) for cell in cells]
        for arm, cell in zip(arms, cells, strict=True):
            self._keep(arm, cell)
        return cells

    def _keep(self, arm: Arm, cell: Cell) -> Score | None:
        if not cell.usable:
            reasons = cell.failures.most_common(1)
            self.lost[arm] = cell.error or (reasons[0][0] if reasons else "not one window was measured in its time")
            return None
        self.cells[arm] = cell
        return Score(cell.images_per_second.mean, tail(cell))

    @contextmanager
    def _loaded(self, arm: Arm) -> Iterator[_Served]:
        """Serve a candidate whose answers are those of the model as it stands."""
        name = self._scratch.add(self._subjects[arm.model], arm)
        try:
            self._server.load(name)
            contract = read_contract(self._transport, name)
            self._check(arm, contract)
            yield _Served(arm, contract)
        finally:
            with suppress(TritonRepoError):
                self._server.unload(name)
            self._scratch.remove(name)

    def _check(self, arm: Arm, contract: ModelContract) -> None:
        """Take the answers of a model's first candidate, which is how it stands, for right."""
        if self._inputs is None:
            self._inputs = prepare(self._images, contract.preprocessing, 1)
        some = self._inputs.first(CHECKED)
        got = answers(self._transport, contract, some)
        expected = self._expected.setdefault(arm.model, got)
        agreement = compare(arm.model, arm.model, some.names, got, expected, (contract.scores, contract.scores))
        if not agreement.within(TOLERANCE):
            raise ContractError(
                f"its answers are others than those of {arm.model} as it stands: a logit differs by "
                f"{agreement.worst_shift:.2g} of the spread between the classes"
            )

    def _drive(self, served: Sequence[_Served], windows: int, window: float, until: float) -> list[Cell]:
        """Compare's own windows, in its own rounds; after `until` none is begun that is not each one's first."""
        assert self._inputs is not None, "something is loaded"
        plan = Plan(window=window, windows=windows, most_windows=windows)
        engine = PythonEngine(self._transport, {one.contract.name: one.contract for one in served}, self._inputs)
        settings = [Setting(one.contract.name, 1, self._concurrency) for one in served]
        run = Run(engine, self._transport, settings, plan)

        def check_time(step: Step) -> None:
            if self.now() > until and all(cell.measured or cell.error for cell in run.cells):
                raise _TimeIsUpError

        with suppress(_TimeIsUpError):
            run.measure(check_time)
        return run.cells


def _service(cell: Cell) -> float:
    """Seconds that the server takes for a request, without its wait in the queue."""
    split = cell.split
    return (split.total - split.queue) / 1e3 if split else 0.0
