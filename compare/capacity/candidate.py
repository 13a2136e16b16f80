"""What a plan can count on: models with what they take for a batch, by closed and open loops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tritonrepo.compare.capacity.alike import differing
from tritonrepo.compare.capacity.queue import latencies
from tritonrepo.compare.capacity.service import Service, Trip, fit, trip, trip_at_rest
from tritonrepo.compare.cells import Cell
from tritonrepo.compare.choice import BUDGET_PERCENTILE
from tritonrepo.compare.criteria import TOLERANCE
from tritonrepo.compare.report import Report, ServedModel

AT_REST = 1 / 3
"""Up to this share of its capacity hardly a request of an open loop waits for another."""
MOST_INSTANCES = 4096
"""Of a model in one server; more are a slip in the file."""
DISAGREES = "it does not agree with the reference"
CHANGED = "the runs are of two configurations of it"
NO_LOOP = "no closed loop without failures was measured; run compare --concurrency 1,4"
NO_FIGURES = "its closed loop does not tell how long it takes; measure it again: compare --concurrency 1,4"


@dataclass(frozen=True)
class Candidate:
    """A model under requests of one size, ready for predictions.

    Attributes:
        model: Its configuration.
        batch_size: Images in a request.
        service: What an execution takes.
        trip: What a request takes beside it.
        memory: MiB of its server; None where it was not measured.
    """

    model: ServedModel
    batch_size: int
    service: Service
    trip: Trip
    memory: float | None

    @property
    def capacity(self) -> float:
        """Images a second that a server can do at most."""
        return self.service.capacity(self.batch_size)

    def latencies(self, rate: float, distribution: str = "poisson") -> tuple[float, float]:
        """The mean and the 95th percentile at so many images a second."""
        found = latencies(self.service, self.trip, self.batch_size, rate / self.batch_size, distribution)
        return float(found.mean()), float(np.percentile(found, BUDGET_PERCENTILE))

    def p95(self, utilisation: float) -> float:
        """The 95th percentile at a share of the capacity."""
        return self.latencies(utilisation * self.capacity)[1]


def candidates_of(reports: Sequence[Report], cells: Sequence[Cell]) -> tuple[list[Candidate], dict[str, str]]:
    """Each model under each size of request that it was measured with, and the models that cannot be counted on."""
    models = {model.name: model for report in reports for model in report.models}
    disagreeing = {one.model for report in reports for one in report.agreements if not one.within(TOLERANCE)}
    changed = differing(reports)
    found, left_out = [], {}
    for name, model in models.items():
        own = [cell for cell in cells if cell.setting.model == name]
        if name in disagreeing:
            left_out[name] = DISAGREES
        elif name in changed:
            left_out[name] = CHANGED
        elif not any(cell.setting.concurrency for cell in own):
            left_out[name] = NO_LOOP
        elif prepared := _prepared(model, own):
            found += prepared
        else:
            left_out[name] = NO_FIGURES
    return found, left_out


def _prepared(model: ServedModel, own: Sequence[Cell]) -> list[Candidate]:
    """A model under each size of request; none where a stored figure is none, because somebody has edited the file."""
    closed = [cell for cell in own if cell.setting.concurrency]
    memory = max((cell.server_memory for cell in closed if cell.server_memory is not None), default=None)
    sizes = sorted({cell.setting.batch_size for cell in own})
    try:
        with np.errstate(divide="raise", invalid="raise"):
            service = fit(closed, model)
            if service is None:
                return []
            found = [Candidate(model, size, service, _trip(own, closed, size, service), memory) for size in sizes]
        return found if all(map(_is_sound, found)) else []
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        return []


def _trip(own: Sequence[Cell], closed: Sequence[Cell], size: int, service: Service) -> Trip:
    """From the open loop of the lowest rate, if that leaves the server at rest most of the time; else the closed."""
    most = AT_REST * service.capacity(size) / size
    rates = {cell.setting.request_rate: cell for cell in own if cell.setting.batch_size == size}
    calm = [rate for rate in rates if rate and rate <= most]
    found = trip_at_rest(rates[min(calm)], service) if calm else None
    return found or trip(closed, size)


def _is_sound(candidate: Candidate) -> bool:
    service, way = candidate.service, candidate.trip
    figures = (service.time(1), service.time(service.largest), candidate.capacity)
    scatter = (way.overhead, *way.factors)
    return (
        1 <= service.instances <= MOST_INSTANCES
        and all(0 < figure < math.inf for figure in figures)
        and all(0 <= factor < math.inf for factor in scatter)
    )
