"""From stored comparisons and a demand to the servers that it needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tritonrepo.client.errors import UsageError
from tritonrepo.compare.capacity.alike import check_alike
from tritonrepo.compare.capacity.candidate import Candidate, candidates_of
from tritonrepo.compare.capacity.network import ENCODED, bytes_of_image
from tritonrepo.compare.cells import Cell, Setting, Window
from tritonrepo.compare.choice import BUDGET_PERCENTILE
from tritonrepo.compare.report import Report

UTILISATION = 0.8
"""Up to here the model is held against measurements (`python -m benchmarks.plan`)."""
LIGHT = 0.01
"""A utilisation at which hardly a request waits."""
MOST = 1e15
"""Of what is asked for: far above anything that is, and far below what numbers can hold."""
STEPS = 10
"""Halvings of the utilisation: to a thousandth."""


@dataclass(frozen=True)
class Demand:
    """What is wanted.

    Attributes:
        rate: Images a second.
        p95: The 95th percentile of the latency, in ms, at most.
        utilisation: Of each server, at most.
        price: Of an hour of a server, in any currency; None: no costs.
        encoded: Bytes of an image file, on average.
    """

    rate: float
    p95: float
    utilisation: float = UTILISATION
    price: float | None = None
    encoded: float = ENCODED

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            UsageError: One is out of range.
        """
        for what, value in (("rate", self.rate), ("p95", self.p95), ("image file's size", self.encoded)):
            if not 0 < value < MOST:
                raise UsageError(f"a {what} of {value:g}: it must be more than 0, and less than {MOST:g}")
        if not LIGHT < self.utilisation < 1:
            raise UsageError(f"a utilisation of {self.utilisation:.0%}: give one above {LIGHT:.0%}, below 100%")
        if self.price is not None and not 0 <= self.price < MOST:
            raise UsageError(f"a price of {self.price:g} an hour: it must be 0 or more, and less than {MOST:g}")


@dataclass(frozen=True)
class Fleet:
    """Servers of one configuration that meet a demand.

    Attributes:
        model: Its name, with the format.
        batch_size: Images in a request.
        replicas: How many servers.
        rate: Images a second of each.
        capacity: Images a second that each could do at most.
        p95: Predicted, in ms.
        in_flight: Requests at each server at the same time, on average: the concurrency that its clients need together.
        memory: MiB of each; None where it was not measured.
        cost: Of an hour of all; None without a price.
    """

    model: str
    batch_size: int
    replicas: int
    rate: float
    capacity: float
    p95: float
    in_flight: float
    memory: float | None
    cost: float | None

    @property
    def utilisation(self) -> float:
        """Of each server."""
        return self.rate / self.capacity


@dataclass(frozen=True)
class Check:
    """A prediction beside what was measured.

    Attributes:
        model: Its name.
        batch_size: Images in a request.
        rate: Images a second, of an open loop.
        utilisation: Of the capacity that is predicted.
        predicted: 95th percentile, in ms.
        measured: The same.
    """

    model: str
    batch_size: int
    rate: float
    utilisation: float
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """How far the prediction is off, as a share of what was measured."""
        return self.predicted / self.measured - 1


@dataclass(frozen=True)
class Sizing:
    """The answer to a demand.

    Attributes:
        demand: What was wanted.
        fleets: Those that meet it, the one with the fewest servers first; of equals the one that answers soonest.
        least: Model, images in a request and ms of the least 95th percentile that any configuration has under a light
            load; None where nothing could be predicted.
        left_out: Model -> why it was not counted on.
        checks: Predictions for the open loops that were measured.
        bytes_of_image: By kind of input, of the first fleet's images; empty without one.
    """

    demand: Demand
    fleets: tuple[Fleet, ...]
    least: tuple[str, int, float] | None
    left_out: Mapping[str, str]
    checks: tuple[Check, ...]
    bytes_of_image: Mapping[str, float]


def size(reports: Sequence[Report], demand: Demand) -> Sizing:
    """How many servers of which configuration a demand needs.

    Each server is a queue of its own: requests are spread over them at random.

    Args:
        reports: Of one machine: a closed loop, and open loops. One at a low rate says how executions scatter; all are
            held against the predictions. What several have measured of the same cell is taken together.
        demand: What is wanted.

    Raises:
        UsageError: The reports are of two machines or kinds of server.
    """
    check_alike(reports)
    cells = merge(reports)
    candidates, left_out = candidates_of(reports, [cell for measured in cells.values() for cell in measured])
    lights = [(candidate.p95(LIGHT), candidate) for candidate in candidates]
    fleets = [_fleet(candidate, demand) for light, candidate in lights if light <= demand.p95]
    fleets.sort(key=lambda fleet: (fleet.replicas, fleet.p95))
    light, quickest = min(lights, key=lambda one: one[0], default=(math.nan, None))
    taken = next((one.model for one in candidates if fleets and one.model.name == fleets[0].model), None)
    return Sizing(
        demand=demand,
        fleets=tuple(fleets),
        least=(quickest.model.name, quickest.batch_size, light) if quickest else None,
        left_out=left_out,
        checks=tuple(_checks(cells, candidates)),
        bytes_of_image=bytes_of_image(taken.preprocessing, demand.encoded) if taken and taken.preprocessing else {},
    )


def merge(reports: Sequence[Report]) -> dict[str, list[Cell]]:
    """The usable cells by how their requests were spread in time, the windows of equal ones together."""
    windows: dict[tuple[str, Setting], list[Window]] = {}
    for report in reports:
        for cell in filter(lambda cell: cell.usable, report.cells):
            windows.setdefault((report.conditions.distribution or "constant", cell.setting), []).extend(cell.windows)
    found: dict[str, list[Cell]] = {}
    for (distribution, setting), measured in windows.items():
        found.setdefault(distribution, []).append(Cell(setting, tuple(measured)))
    return found


def _most_utilisation(candidate: Candidate, demand: Demand) -> float:
    """The highest utilisation that keeps the latency; there is one."""
    if candidate.p95(demand.utilisation) <= demand.p95:
        return demand.utilisation
    low, high = LIGHT, demand.utilisation
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if candidate.p95(middle) <= demand.p95 else (low, middle)
    return low


def _fleet(candidate: Candidate, demand: Demand) -> Fleet:
    replicas = math.ceil(demand.rate / (_most_utilisation(candidate, demand) * candidate.capacity))
    rate = demand.rate / replicas
    mean, p95 = candidate.latencies(rate)
    return Fleet(
        model=candidate.model.name,
        batch_size=candidate.batch_size,
        replicas=replicas,
        rate=rate,
        capacity=candidate.capacity,
        p95=p95,
        in_flight=rate / candidate.batch_size * mean / 1e3,
        memory=candidate.memory,
        cost=None if demand.price is None else demand.price * replicas,
    )


def _checks(cells: Mapping[str, Sequence[Cell]], candidates: Sequence[Candidate]) -> Iterator[Check]:
    known = {(candidate.model.name, candidate.batch_size): candidate for candidate in candidates}
    for distribution, measured in cells.items():
        for cell in measured:
            candidate = known.get((cell.setting.model, cell.setting.batch_size))
            rate = (cell.setting.request_rate or 0.0) * cell.setting.batch_size
            told = cell.supports(BUDGET_PERCENTILE) and 0 < cell.percentile(BUDGET_PERCENTILE).mean < math.inf
            if candidate and 0 < rate < MOST and told:
                yield Check(
                    model=candidate.model.name,
                    batch_size=candidate.batch_size,
                    rate=rate,
                    utilisation=rate / candidate.capacity,
                    predicted=candidate.latencies(rate, distribution)[1],
                    measured=cell.percentile(BUDGET_PERCENTILE).mean,
                )
