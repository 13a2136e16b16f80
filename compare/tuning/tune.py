"""Tune a model within a given time: measure what is there, search, hold the best against what is there, write it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from tritonrepo.client.errors import MissingError, TritonRepoError, UsageError
from tritonrepo.client.transport import open_transport
from tritonrepo.compare.cells import Cell
from tritonrepo.compare.choice import tail
from tritonrepo.compare.machine import describe_machine
from tritonrepo.compare.rounds import Progress, Step
from tritonrepo.compare.tuning.bench import ServedBench, Server
from tritonrepo.compare.tuning.outcome import Tuned, UnwrittenError
from tritonrepo.compare.tuning.scratch import open_scratch
from tritonrepo.compare.tuning.search import Found, Load, search
from tritonrepo.compare.tuning.space import Arm, Machine, this_machine
from tritonrepo.compare.tuning.subjects import Subject, find_subjects
from tritonrepo.compare.tuning.verdict import Verdict, hold
from tritonrepo.compare.tuning.writing import write
from tritonrepo.repository.tuning import Speed, Tuning

OpenServer = Callable[[Path], AbstractContextManager[Server]]
"""Starts a server over a directory, in which nothing is yet."""

LONGEST_BUDGET = 7 * 24 * 3600.0


@dataclass(frozen=True)
class TuningTask:
    """What is to be tuned, and under which load.

    Attributes:
        model: A directory of the repository, or a model without its format: all its formats are tried.
        repository: The model repository.
        budget: Seconds for all of it.
        p95_limit: ms that the 95th percentile of the latency has to keep; None: any.
        concurrency: Requests in flight, of one image each.
        images: Files, directories or URLs of what is sent; none: generated noise.
        staging: As of `repository.publish.open_repository`.
        dry_run: Write nothing.
    """

    model: str
    repository: Path
    budget: float
    p95_limit: float | None = None
    concurrency: int = 4
    images: Sequence[str] = ()
    staging: Path | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            UsageError: One is out of range.
        """
        if not 0 < self.budget <= LONGEST_BUDGET:
            raise UsageError(f"a budget of {self.budget:g} s: it must be more than 0, and a week at the most")
        if self.p95_limit is not None and not 0 < self.p95_limit < math.inf:
            raise UsageError(f"a 95th percentile of {self.p95_limit:g} ms: it must be more than 0")
        if self.concurrency < 1:
            raise UsageError(f"a concurrency of {self.concurrency}: it must be at least 1")


def tune(
    task: TuningTask,
    open_server: OpenServer,
    progress: Progress = lambda step: None,
    waiting: Callable[[str], None] = lambda what: None,
    machine: Machine | None = None,
    began: float | None = None,
) -> Tuned:
    """Search for the best configuration, and write it if it is better than what is there.

    Until the last moment nothing in the repository is touched: an interruption leaves everything as it was.

    Args:
        task: What to tune.
        open_server: Starts the embedded Triton over the scratch repository.
        progress: Is told what is measured next; its numbers are seconds.
        waiting: Is told when another writer of the repository is waited for.
        machine: What there is to share out; None: all of this one.
        began: When the budget's time began, on the monotonic clock; None: now.

    Raises:
        UsageError: There is no such model, or the budget is too short for it.
        UnwrittenError: The repository was changed or became full meanwhile; what was found is in the error.
        TritonRepoError: The model cannot be served as it stands, or the repository cannot be written.
    """
    began = time.monotonic() if began is None else began

    def watch(what: str) -> None:
        progress(Step(what, int(time.monotonic() - began), math.ceil(task.budget)))

    subjects, left_out = find_subjects(task.repository, task.model)
    by_name = {subject.name: subject for subject in subjects}
    if not task.dry_run:
        _check_writable(subjects)
    watch("starting the server")
    starts = time.monotonic()
    with (
        open_scratch(task.repository, task.staging) as scratch,
        open_server(scratch.root) as server,
        closing(open_transport(server.grpc_url)) as transport,
    ):
        until = began + task.budget - (time.monotonic() - starts)  # it stops as quickly as it started
        bench = ServedBench(server, transport, scratch, by_name, task.images, task.concurrency, watch)
        load = Load(task.concurrency, task.p95_limit)
        found = search(bench, subjects, machine or this_machine(), load, began, until)
        tuned = _final(bench, found, task.p95_limit)
    tuned = replace(tuned, left_out={**left_out, **tuned.left_out}, seconds=time.monotonic() - began)
    try:
        version = conclude(task, by_name[tuned.challenger.model], tuned, waiting)
    except TritonRepoError as exc:
        raise UnwrittenError(exc, tuned) from exc
    return replace(tuned, version=version, seconds=time.monotonic() - began)


def _check_writable(subjects: Sequence[Subject]) -> None:
    """Raise `MissingError` where the winner could not be written: better now than when the time is spent."""
    for subject in subjects:
        if not os.access(subject.directory, os.W_OK):
            raise MissingError(f"{subject.directory} cannot be written; mend its permissions, or say --dry-run")


def _final(bench: ServedBench, found: Found, p95_limit: float | None) -> Tuned:
    """The challenger against what is there, in rounds of their own."""
    arms = list(dict.fromkeys([found.present, found.own, found.challenger]))
    finals = dict(zip(arms, bench.measure_together(arms, found.final_ends), strict=True))
    verdict = _verdict(finals, found, p95_limit)
    return Tuned(found.present, found.own, found.challenger, verdict, bench.cells, bench.lost, found.left_out)


def _verdict(finals: Mapping[Arm, Cell], found: Found, p95_limit: float | None) -> Verdict:
    """Better than what answers now, and than the challenger's own model as it stands."""
    first = hold(finals[found.present], finals[found.challenger], p95_limit)
    if found.own in (found.present, found.challenger) or not first.better:
        return first
    second = hold(finals[found.own], finals[found.challenger], p95_limit)
    what = f"against {found.own.model} as it stands {second.reason}"
    return replace(first, reason=f"{first.reason}; {what}") if second.better else replace(second, reason=what)


def conclude(
    task: TuningTask, subject: Subject, tuned: Tuned, waiting: Callable[[str], None] = lambda what: None
) -> int | None:
    """Write the challenger if it is better, and not what its model has already.

    Args:
        task: What was to be done.
        subject: The challenger's model.
        tuned: What was found.
        waiting: Is told when another writer of the repository is waited for.

    Returns:
        The version that was written, if any was.

    Raises:
        TritonRepoError: The repository cannot be written, or the model was changed meanwhile.
    """
    if task.dry_run or not tuned.verdict.better or tuned.challenger == tuned.own:
        return None
    machine = describe_machine()
    tuning = Tuning(
        created=datetime.now(timezone.utc).replace(microsecond=0),
        from_version=subject.version,
        machine=machine.cpu,
        threads=machine.threads,
        concurrency=task.concurrency,
        p95_limit_ms=task.p95_limit,
        budget_seconds=float(task.budget),
        candidates=len(tuned.cells),
        before=_speed(tuned.cells[tuned.own]),
        after=_speed(tuned.cells[tuned.challenger]),
    )
    return write(subject, tuned.challenger, tuning, task.staging, waiting)


def _speed(cell: Cell) -> Speed:
    rate = cell.images_per_second
    return Speed(rate.mean, rate.low, rate.high, tail(cell))
