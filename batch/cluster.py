"""Ray: a cluster of one's own on this machine or an existing one, and the work spread over it."""

from __future__ import annotations

import logging
import signal
import tempfile
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace

import ray
import ray.data
import ray.exceptions

from tritonrepo.batch.environment import Crew
from tritonrepo.batch.plan import Pending
from tritonrepo.batch.scoring import Failure, Finished, Job, Scorer, attempt
from tritonrepo.batch.service import Present, Service
from tritonrepo.client.errors import MissingError
from tritonrepo.client.options import Options
from tritonrepo.client.text import first_line

# Shards go through the object store as a number and a name each.
_STORE_BYTES = 100 << 20
# A shard that ends its worker more often ends the run: memory is too small, or a decoder crashes on an image.
MOST_TRIES = 3
# Ray kills what a worker has started when that ends. A server's guardian ends by itself then, and cleans up first.
_SERVERS_OWN = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "0"}}


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Use the cluster at an address, or by default one of this machine's CPUs that ends with the block.

    The latter listens on loopback alone, if `environment.prepare` came before Ray was imported, and has no dashboard.

    Raises:
        MissingError: No cluster can be reached or started.
    """
    own = {"include_dashboard": False, "_node_ip_address": "127.0.0.1", "object_store_memory": _STORE_BYTES}
    handler = signal.getsignal(signal.SIGTERM)  # Ray sets one that ends the process as if all were well.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as directory:
        if address is None:
            own |= {"_temp_dir": directory}
        try:
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else own))
        except Exception as exc:  # of any class, and of a node that is too slow to start `Exception` itself
            where = f"no Ray cluster at {address}" if address else "Ray cannot be started here"
            raise MissingError(f"{where}: {first_line(exc)}") from exc
        try:
            signal.signal(signal.SIGTERM, handler)
            yield
        finally:
            ray.shutdown()


def ask_cluster(service: Service, options: Options, crew: Crew) -> Present:
    """Who answers, as a worker sees it.

    Raises:
        TritonRepoError: As `look`; or no node of the cluster can run a worker.
    """
    _nodes(crew)
    with _ray_errors():
        task = ray.remote(num_cpus=1, num_gpus=crew.gpus, max_retries=0)(attempt)
        found = ray.get(task.remote(service, options))
    if isinstance(found, Failure):
        found.check()
    assert isinstance(found, Present)
    return found


def spread(job: Job, pending: Sequence[Pending], crew: Crew) -> Generator[Finished, None, None]:
    """Let workers write the shards; each is told of when it is written, in any order.

    A worker that is lost is replaced, and its shard done again.

    Raises:
        TritonRepoError: A shard cannot be written, or a node is lost; the shards that are written stay.
    """
    if not pending:
        return
    _keep_quiet()
    nodes = _nodes(crew)
    workers = min(crew.workers or len(nodes), len(pending))
    threads = job.options.workers or max(1, round(sum(nodes) / workers))
    job = replace(job, options=replace(job.options, workers=threads))
    with _ray_errors():
        shards = ray.data.from_items([asdict(shard) for shard in pending], override_num_blocks=len(pending))
        finished = _mapped(shards, job, workers, crew)
        # `iter_rows` would hold each back until the next is there.
        for table in finished.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in table.to_pylist():
                shard = Finished(**row)
                Failure(shard.message, shard.status).check()
                yield shard


def _mapped(shards: ray.data.Dataset, job: Job, workers: int, crew: Crew) -> ray.data.Dataset:
    """The dataset of what becomes of the shards. Ray spreads the workers over the nodes and replaces those that die."""
    with warnings.catch_warnings():
        # Of `max_task_retries`, for which there is no other way; without it, such a shard would be tried for ever.
        warnings.filterwarnings("ignore", r"`ray_remote_args` is deprecated", DeprecationWarning)
        return shards.map_batches(
            Scorer,
            batch_size=1,
            batch_format="pyarrow",
            # The next shard waits at the worker, so that none is idle, and no more, so that the last ones are shared.
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
            fn_constructor_args=(job,),
            num_cpus=1,
            num_gpus=crew.gpus,
            max_task_retries=MOST_TRIES,
            runtime_env=_SERVERS_OWN if job.service.open_server else None,
        )


def _nodes(crew: Crew) -> list[int]:
    """The CPUs of each node that can have a worker. Raises `MissingError` where there is none."""
    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fit = [int(found["CPU"]) for found in resources if found.get("CPU", 0) >= 1 and found.get("GPU", 0) >= crew.gpus]
    if not fit:
        raise MissingError(f"no node of the cluster has a CPU and {crew.gpus:g} GPUs for a worker")
    return fit


def _keep_quiet() -> None:
    """No progress bars and no log on the console: Ray keeps its log in the session's directory."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logger = logging.getLogger("ray.data")
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)


@contextmanager
def _ray_errors() -> Iterator[None]:
    """Say in words what ended the work of a worker."""
    try:
        yield
    except ray.exceptions.RayError as exc:
        raise MissingError(
            f"a worker of the cluster failed: {first_line(exc)}. The same command goes on with what is left."
        ) from exc
