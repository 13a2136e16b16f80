"""A run whose worker, second node and driver are killed, against an undisturbed one and against `classify`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from tests.batch import command
from tests.batch.nodes import Nodes, cluster
from tests.conftest import wait_until
from tritonrepo.serve.triton import TritonServer

WORKERS = 2
PATIENCE = 3600.0
"""Seconds for a part of a run."""


@dataclass(frozen=True)
class Speed:
    """Images a second of a command.

    Attributes:
        whole: From its start to its end.
        at_work: Between its first and its last results.
    """

    whole: float
    at_work: float


@dataclass(frozen=True)
class Evidence:
    """What was seen.

    Attributes:
        images: In the input.
        failed: How many of them were errors.
        shards: Files of the output.
        at_worker: Shards that were written when the worker was killed.
        at_node: Those when the second node was.
        at_driver: Those when the driver was, or ended by itself.
        ended: Whether the death of the node ended the driver, which then says that the same command goes on.
        missing: Images that the disturbed run's output lacks, or has twice.
        different: Rows of it that differ from the undisturbed run's, exactly compared.
        left: Files that the killed have left.
        batch: The undisturbed runs.
        classify: The same of `classify` over the same images, server and machine, in turn with the former.
    """

    images: int
    failed: int
    shards: int
    at_worker: int
    at_node: int
    at_driver: int
    ended: bool
    missing: int
    different: int
    left: int
    batch: tuple[Speed, ...]
    classify: tuple[Speed, ...]

    @property
    def whole_ratio(self) -> float:
        """Images a second of the whole command against `classify`, by the fastest of each."""
        return max(speed.whole for speed in self.batch) / max(speed.whole for speed in self.classify)

    @property
    def ratio(self) -> float:
        """The same of the commands at work."""
        return max(speed.at_work for speed in self.batch) / max(speed.at_work for speed in self.classify)

    @property
    def is_sound(self) -> bool:
        return not (self.missing or self.different or self.left)


def gather(place: Path, photographs: Path, repository: Path, model: str, size: int, rounds: int) -> Evidence:
    """Run everything; `place` is an empty directory."""
    with TritonServer(repository) as server, cluster(WORKERS) as nodes:
        called = ["--url", server.grpc_url, "--model", model]
        batch = [str(photographs), "--shard-size", str(size), "--address", nodes.address, *called]
        classify, calm = [], []
        for number in range(rounds):
            classify.append(_classify(photographs, called, place / f"{number}.jsonl"))
            calm.append(_calm(batch, place / f"calm{number}"))
        at_worker, at_node, at_driver, ended = _disturbed(
            nodes, batch, place / "disturbed", -(-_count(photographs) // size)
        )
    expected, found = command.read_shards(place / "calm0"), command.read_shards(place / "disturbed")
    rows = [row for shard in expected.values() for row in shard]
    counts = command.images(found)
    return Evidence(
        images=len(rows),
        failed=sum(row["error"] is not None for row in rows),
        shards=len(found),
        at_worker=at_worker,
        at_node=at_node,
        at_driver=at_driver,
        ended=ended,
        missing=sum(counts[str(path)] != 1 for path in photographs.iterdir()),
        different=sum(ours != theirs for name in expected for ours, theirs in _pairs(expected[name], found.get(name))),
        left=len(list((place / "disturbed").glob(".*.partial"))),
        batch=tuple(calm),
        classify=tuple(classify),
    )


def _pairs(expected: list[dict[str, object]], found: list[dict[str, object]] | None) -> list[tuple[object, object]]:
    return list(zip(expected, found or [{}] * len(expected), strict=True))


def _count(folder: Path) -> int:
    return len(list(folder.iterdir()))


def _classify(photographs: Path, called: list[str], output: Path) -> Speed:
    words = [sys.executable, "-m", "tritonrepo", "classify", str(photographs), "--format", "json", *called]
    begin = time.monotonic()
    with output.open("wb") as file, subprocess.Popen(words, stdout=file, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: output.stat().st_size or process.poll() is not None, PATIENCE)
        first = time.monotonic()
    end = time.monotonic()
    assert process.returncode in (0, 1), process.returncode
    images = _count(photographs)
    return Speed(images / (end - begin), images / (end - first))


def _calm(batch: list[str], output: Path) -> Speed:
    begin = time.monotonic()
    status, _, errors = command.run(*batch, "--output", str(output))
    end = time.monotonic()
    assert status in (0, 1), errors
    shards = sorted(output.glob("part-*"), key=lambda path: path.stat().st_mtime_ns)
    images = [pq.read_metadata(path).num_rows for path in shards]
    # Each worker's first shard begins with its imports, and the second worker's is half done when the first's is there.
    first, last = (shards[number].stat().st_mtime for number in (WORKERS - 1, -1))
    return Speed(sum(images) / (end - begin), sum(images[WORKERS:]) / (last - first))


def _disturbed(nodes: Nodes, batch: list[str], output: Path, shards: int) -> tuple[int, int, int, bool]:
    """Kill a worker at a quarter, the second node at a half and the driver at three quarters; then run it again.

    Returns:
        The shards that were there at each of these moments, and whether the node's death had ended the driver before.
    """
    words = [*batch, "--output", str(output)]
    with command.start(*words) as driver:
        at_worker = _await(driver, output, shards // 4)
        workers = _workers()
        workers[0].send_signal(signal.SIGKILL)
        wait_until(lambda: any(worker not in workers for worker in _workers()), PATIENCE)
        at_node = _await(driver, output, shards // 2)
        nodes.kill_one()
        least = max(3 * shards // 4, at_node + 1)
        wait_until(lambda: driver.poll() is not None or _written(output) >= least, PATIENCE)
        ended, at_driver = driver.poll() is not None, _written(output)
        driver.send_signal(signal.SIGKILL)
    assert not ended or driver.returncode == 3, driver.returncode
    status, _, errors = command.run(*words)
    assert status in (0, 1), errors
    return at_worker, at_node, at_driver, ended


def _await(driver: subprocess.Popen[str], output: Path, shards: int) -> int:
    """Wait for so many shards; how many there are."""
    wait_until(lambda: driver.poll() is not None or _written(output) >= shards, PATIENCE)
    assert driver.poll() is None, driver.communicate()
    return _written(output)


def _written(output: Path) -> int:
    return len(list(output.glob("part-*")))


def _workers() -> list[psutil.Process]:
    """The processes in which Ray Data has its actors, among ours."""
    ours = psutil.Process().children(recursive=True)
    return [process for process in ours if _title(process).startswith("ray::") and "Scorer" in _title(process)]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
