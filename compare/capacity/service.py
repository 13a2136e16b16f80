"""How long a model takes for a batch, from the cells of a closed loop. Times are in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from tritonrepo.compare.cells import Cell
from tritonrepo.compare.intervals import spread
from tritonrepo.compare.report import ServedModel

SPREAD_NEEDED = 0.1
"""Batches that differ by less say nothing of what a larger one takes."""


@dataclass(frozen=True)
class Service:
    """What an execution takes, and how many there are at once.

    Attributes:
        fixed: Of an execution, whatever its size.
        per_image: For each image in it.
        instances: Executions that run at the same time.
        largest: Images in the largest execution that was seen; a larger one is not counted on.
        batching: Whether the server puts requests together.
    """

    fixed: float
    per_image: float
    instances: int
    largest: int
    batching: bool

    def time(self, images: int) -> float:
        """What an execution of so many images takes on average."""
        return self.fixed + self.per_image * images

    def most_requests(self, batch_size: int) -> int:
        """How many requests of so many images one execution takes at most."""
        return max(1, self.largest // batch_size) if self.batching else 1

    def capacity(self, batch_size: int) -> float:
        """Images a second that a server can do at most, in requests of so many images."""
        images = self.most_requests(batch_size) * batch_size
        return 1e3 * self.instances * images / self.time(images)


def fit(cells: Sequence[Cell], model: ServedModel) -> Service | None:
    """The service of a model, by least squares of the relative errors; None if no cell tells.

    A request that is alone is timed by the server itself. When requests wait, an execution ends as another begins, so
    the throughput tells how long one takes, with all that goes on at the server beside it.

    Args:
        cells: Of a closed loop.
        model: Its model.
    """
    instances = sum(int(group.get("count", 1)) for group in model.instances) or 1
    points = [point for cell in cells if (point := _point(cell, instances))]
    if not points:
        return None
    sizes, times = np.array(points).T
    if spread(list(sizes)) < SPREAD_NEEDED:
        fixed, per_image = 0.0, float(np.mean(times / sizes))  # No gain is claimed for batches that were not seen.
    else:
        (fixed, per_image), _ = nnls(np.stack([1 / times, sizes / times], axis=1), np.ones(len(points)))
    largest = max(_largest(cell) for cell in cells)
    return Service(float(fixed), float(per_image), instances, largest, model.dynamic_batching)


def _point(cell: Cell, instances: int) -> tuple[float, float] | None:
    """Images in an execution, on average, and its milliseconds; None where the cell does not tell."""
    split, concurrency, size = cell.split, cell.setting.concurrency or 0, cell.setting.batch_size
    if concurrency == 1:
        return float(size), (split.total - split.queue) if split else cell.average.mean
    if split is None or not split.executions or concurrency <= instances:
        return None
    executions = sum(split.executions.values())
    images = sum(images * count for images, count in split.executions.items()) / executions
    return images, 1e3 * instances * images / cell.images_per_second.mean


def _largest(cell: Cell) -> int:
    seen = cell.split.executions if cell.split else {}
    return max((cell.setting.batch_size, *seen))


@dataclass(frozen=True)
class Trip:
    """What a request takes beside its execution, and how executions scatter.

    Attributes:
        overhead: On the way to the server and back, in ms.
        factors: Times of executions as multiples of what `Service.time` says.
    """

    overhead: float
    factors: tuple[float, ...]


def trip(cells: Sequence[Cell], batch_size: int) -> Trip:
    """That of requests of a size, or of the nearest size that was measured alone; none and no scatter without.

    Args:
        cells: Of a closed loop: those of one request at a time count.
        batch_size: Images in a request.
    """
    alone = [cell for cell in cells if cell.setting.concurrency == 1]
    if not alone:
        return Trip(0.0, (1.0,))
    cell = min(alone, key=lambda cell: abs(cell.setting.batch_size - batch_size))
    server = cell.split.total if cell.split else cell.average.mean
    return _trip(cell, server, 1.0)


def trip_at_rest(cell: Cell, service: Service) -> Trip | None:
    """That of an open loop in which hardly a request waits for another; None where the cell does not tell.

    Its requests find the server at rest, as those of a closed loop do not. There an execution takes longer, by what the
    server itself says, and scatters more: threads have to be woken, and others have had the caches.

    Args:
        cell: Of that loop.
        service: What an execution takes in the closed loop.
    """
    split = cell.split
    if split is None or not split.executions:
        return None
    images = sum(size * count for size, count in split.executions.items())
    expected = sum(size * count * service.time(size) for size, count in split.executions.items()) / images
    return _trip(cell, split.total, (split.total - split.queue) / expected)


def _trip(cell: Cell, server: float, slower: float) -> Trip:
    latencies = np.array([latency for window in cell.windows for latency in window.latencies] or [cell.average.mean])
    factors = slower * latencies / latencies.mean()
    return Trip(max(0.0, cell.average.mean - server), tuple(map(float, factors)))
