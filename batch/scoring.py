"""What runs on the nodes: a worker classifies a shard's images with the client's own pipeline, and writes the file."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import pyarrow as pa

from tritonrepo.batch.inputs import Input
from tritonrepo.batch.places import Place
from tritonrepo.batch.service import Present, Service, look
from tritonrepo.batch.shards import as_parquet
from tritonrepo.batch.work import WorkList
from tritonrepo.client.classifier import Classifier
from tritonrepo.client.errors import MissingError, TritonRepoError, UsageError
from tritonrepo.client.options import Options
from tritonrepo.client.results import Result
from tritonrepo.repository.shortage import explain


@dataclass(frozen=True)
class Job:
    """What a worker needs to know.

    Attributes:
        service: Who is asked.
        options: How images are prepared and asked for.
        input: Where they come from.
        output: Where shards go.
        list_name: The file in `output` with the images of each shard.
        contract: Under which all of them are to be classified.
    """

    service: Service
    options: Options
    input: Input
    output: Place
    list_name: str
    contract: str


@dataclass(frozen=True)
class Failure:
    """An error on its way from a worker to the driver, which need not know its class.

    Attributes:
        message: In words.
        status: What the command ends with; 0 where nothing is wrong.
    """

    message: str = ""
    status: int = 0

    @classmethod
    def of(cls, exc: TritonRepoError) -> Failure:
        """That of an error."""
        return cls(str(exc), exc.exit_status)

    def check(self) -> None:
        """Raise the error, if there is one. Raises `TritonRepoError`."""
        if self.status:
            kinds = {kind.exit_status: kind for kind in (TritonRepoError, UsageError, MissingError)}
            raise kinds[self.status](self.message)


@dataclass(frozen=True)
class Finished:
    """What became of a shard.

    Attributes:
        name: Its file's.
        images: How many it has.
        failed: How many of them could not be classified.
        message: What kept it from being written.
        status: What the command ends with then; 0 where it was written.
    """

    name: str
    images: int = 0
    failed: int = 0
    message: str = ""
    status: int = 0


class Scorer:
    """A worker: Ray Data makes it once, and hands it one shard after the other.

    Its server and connection begin with the first shard, so that what goes wrong there is told like the rest.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stack = ExitStack()
        self._classifier: Classifier | None = None
        self._work: WorkList | None = None

    def __call__(self, table: pa.Table) -> pa.Table:
        """Write a shard: a table of one row, with its `number` and `name`, becomes one with a `Finished`."""
        (shard,) = table.to_pylist()
        try:
            results = self._classified(shard["number"])
            self._job.output.write(shard["name"], as_parquet(results))
            finished = Finished(shard["name"], len(results), sum(result.error is not None for result in results))
        except TritonRepoError as exc:
            finished = Finished(shard["name"], **asdict(Failure.of(exc)))
        except OSError as exc:
            finished = Finished(shard["name"], message=explain(exc), status=MissingError.exit_status)
        return pa.Table.from_pylist([asdict(finished)])

    def _classified(self, number: int) -> list[Result]:
        job = self._job
        if self._classifier is None or self._work is None:
            self._work = self._stack.enter_context(WorkList(job.output, job.list_name))
            # For a server of its own: Ray lets what it starts compute with as many threads as a worker has CPUs, one.
            os.environ["OMP_NUM_THREADS"] = str(job.options.workers or os.cpu_count() or 1)
            self._classifier = self._stack.enter_context(job.service.open())
        sources = job.input.sources(self._work.names(number))
        results = list(self._classifier.run(sources, job.options))
        _check(results, job.contract)
        return results


def _check(results: list[Result], contract: str) -> None:
    """Refuse answers under a contract that is not the run's."""
    for result in results:
        if result.basis and result.basis.contract not in ("", contract):
            raise UsageError(
                f"version {result.version} of {result.model} took over, with another contract or other labels than "
                "those of the shards that are written. --redo asks for all of them again, and --version N goes on with "
                "the version before while it is served."
            )


def attempt(service: Service, options: Options) -> Present | Failure:
    """`look` on a node of the cluster, where errors are values."""
    try:
        return look(service, options)
    except TritonRepoError as exc:
        return Failure.of(exc)
