"""The configurations that are tried, in the order in which they are tried: a seeded one, the same at every run."""

from __future__ import annotations

import importlib.util
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product, zip_longest

import psutil

from tritonrepo.compare.tuning.knobs import Knobs
from tritonrepo.compare.tuning.subjects import Subject
from tritonrepo.repository.layout import backend_of
from tritonrepo.repository.on_openvino import ACCELERATOR

SEED = 0
DELAYS_US = (1000, 5000)
"""A delay pays where it fills a batch; beyond some milliseconds it is the latency itself."""
INSTANCE_MIB = 400
"""What one instance takes beside the model: a process with its runtime."""
COPIES = 3
"""How often an instance holds the artifact's bytes at the most: as a file, as a graph, and packed for the kernels."""
MEMORY_SHARE = 0.5
"""Of the memory that is free, what one candidate may take."""
_MIB = 2**20


@dataclass(frozen=True)
class Arm:
    """A candidate.

    Attributes:
        model: Its directory in the repository.
        knobs: How it is run.
    """

    model: str
    knobs: Knobs

    def __str__(self) -> str:
        return f"{self.model}: {self.knobs}"


@dataclass(frozen=True)
class Machine:
    """What there is to share out.

    Attributes:
        cores: That this process may use.
        memory: Free, in bytes.
        openvino: Whether the package is installed.
    """

    cores: int
    memory: float
    openvino: bool


def this_machine() -> Machine:
    """The one on which the embedded Triton runs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    openvino = importlib.util.find_spec("openvino") is not None
    return Machine(cores, psutil.virtual_memory().available, openvino)


def placements(subjects: Sequence[Subject], machine: Machine) -> list[Arm]:
    """Format, accelerator, instances and threads; without what is there.

    No batch is waited for, whatever is done today: a delay would hide what a place is worth. Each format and
    accelerator has its turn, so that a short list holds some of all.
    """
    order = random.Random(SEED)
    groups = []
    for subject in subjects:
        for accelerator in _accelerators(subject, machine):
            shares = list(_shares(subject, machine))
            order.shuffle(shares)
            groups.append([Arm(subject.name, Knobs(i, t, accelerator=accelerator)) for i, t in shares])
    turns = chain.from_iterable(zip_longest(*groups))
    now = {Arm(subject.name, subject.knobs) for subject in subjects}
    return [arm for arm in turns if arm is not None and arm not in now]


def batchings(arm: Arm, largest: int, concurrency: int) -> list[Arm]:
    """The same arm under every delay and every limit of a batch; without itself.

    A limit that the requests in flight cannot exceed is none, but for how long they wait; a batch of one waits for
    nothing.

    Args:
        arm: With its place.
        largest: The largest batch that the model accepts; 0: it takes no batches.
        concurrency: Requests in flight.
    """
    if largest < 1:
        return []
    sizes = [size for size in _powers_of_two(concurrency) if size <= largest]
    at_once: list[tuple[int, tuple[int, ...]]] = [(0, ()), *((0, (size,)) for size in sizes if size < concurrency)]
    waiting = product(DELAYS_US, [(), *((size,) for size in sizes if size > 1)])
    pairs = [*at_once, *waiting]
    random.Random(SEED).shuffle(pairs)
    found = (replace(arm.knobs, queue_delay_us=delay, preferred=limit) for delay, limit in pairs)
    return [Arm(arm.model, knobs) for knobs in found if knobs != arm.knobs]


def _accelerators(subject: Subject, machine: Machine) -> list[str | None]:
    if backend_of(subject.config) != "onnxruntime":
        return [None]
    return [None, ACCELERATOR] if machine.openvino else [None]


def _shares(subject: Subject, machine: Machine) -> Iterator[tuple[int, int | None]]:
    """Instances and threads of each that use between half and twice the cores, and that fit into memory."""
    each = COPIES * subject.manifest.artifact.bytes + INSTANCE_MIB * _MIB
    for instances in _powers_of_two(machine.cores):
        for threads in _powers_of_two(machine.cores):
            fits = instances == 1 or instances * each <= MEMORY_SHARE * machine.memory
            if fits and machine.cores <= 2 * instances * threads <= 4 * machine.cores:
                yield instances, None if threads == machine.cores else threads


def _powers_of_two(most: int) -> list[int]:
    """1, 2, 4, … and `most` itself."""
    return sorted({*(1 << power for power in range(most.bit_length())), most})
