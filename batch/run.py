"""A whole run: list the images, ask who answers, see what is done, and have the rest done."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tritonrepo.batch.environment import Crew, prepare
from tritonrepo.batch.inputs import Input
from tritonrepo.batch.places import Place
from tritonrepo.batch.plan import Plan, State, settle
from tritonrepo.batch.scoring import Finished, Job
from tritonrepo.batch.service import Present, Service
from tritonrepo.batch.work import write_list
from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import Options

SHARD_SIZE = 1024


@dataclass(frozen=True)
class Order:
    """What is wanted.

    Attributes:
        input: Where the images come from.
        output: Where shards go.
        service: Who classifies them.
        options: How they are prepared and asked for.
        shard_size: Images of a shard.
        redo: Remove what another list of images or another contract gave, and do it again.
        address: Of a Ray cluster; by default one is started here.
        crew: The workers.
    """

    input: Input
    output: Place
    service: Service
    options: Options
    shard_size: int = SHARD_SIZE
    redo: bool = False
    address: str | None = None
    crew: Crew = field(default_factory=Crew)


@dataclass(frozen=True)
class Run:
    """A run that has begun.

    Attributes:
        present: Who answers.
        images: How many there are.
        shards: Into how many files they go.
        state: What was done before.
        finished: Does the rest; tells of each shard when it is written.
    """

    present: Present
    images: int
    shards: int
    state: State
    finished: Iterator[Finished]


@contextmanager
def begin(order: Order, left_out: Counter[str]) -> Iterator[Run]:
    """Begin a run, or go on with one; what it keeps away and has started ends with the block.

    Args:
        order: What is wanted.
        left_out: Is told of the pictures in directories that cannot be opened: how many of each suffix.

    Raises:
        UsageError: There is nothing to do, or the output is about something else.
        MissingError: The cluster, the servers, the input or the output cannot be reached.
    """
    prepare(order.address)
    from tritonrepo.batch.cluster import ask_cluster, connected, spread  # Ray with it, which reads its environment.

    options = replace(order.options, basis=True)
    with order.output.claim(), tempfile.TemporaryDirectory() as directory:
        listed = Path(directory) / "images.parquet"
        shares = write_list(order.input.rows(left_out), order.shard_size, listed)
        if not shares:
            raise UsageError("there are no images in the input")
        with connected(order.address):
            present = ask_cluster(order.service, options, order.crew)
            plan = Plan.of(present, options, shares, order.shard_size)
            state = settle(order.output, plan, shares, listed, order.redo)
            service = replace(order.service, model=present.model)
            job = Job(service, options, order.input, order.output, plan.list_name, present.contract)
            with closing(spread(job, state.pending, order.crew)) as finished:
                yield Run(present, plan.images, len(shares), state, finished)
