"""The command on Ray: killed workers and drivers, a store, servers of the workers' own, and who may come in."""

from __future__ import annotations

import io
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.batch import command, stores
from tests.batch.gate import Gate
from tests.batch.nodes import cluster
from tests.batch.photographs import make_photographs
from tests.conftest import traces, wait_until
from tritonrepo.client import Classifier
from tritonrepo.serve.triton import TritonServer

pytestmark = [pytest.mark.live, pytest.mark.slow]

IMAGES, SHARD = 20, 4
HELD = 14
"""The image at which the run is killed."""
PATIENCE = 300.0
"""Seconds, for a machine with other work."""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = make_photographs(tmp_path_factory.mktemp("photographs"), IMAGES)
    made[5].write_bytes(b"no picture")
    return made


def test_a_killed_worker_and_a_killed_driver_cost_nothing(
    tiny_server: TritonServer, photographs: list[Path], tmp_path: Path
) -> None:
    """On one node, for which Ray starts fewer processes; `make batch-runs` has two."""
    table, output = tmp_path / "list.csv", tmp_path / "out"
    with Gate(photographs[0].parent).serving() as gate, cluster(1) as nodes:
        urls = [f"{gate.url}/{path.name}" for path in photographs]
        table.write_text("".join(f"{line}\n" for line in ["image", *urls]))
        words = [str(table), "--column", "image", "--output", str(output), "--shard-size", str(SHARD)]
        words += ["--url", tiny_server.grpc_url, "--model", "tiny_onnx", "--address", nodes.address]
        gate.hold(photographs[HELD].name)
        with command.start(*words) as driver:
            wait_until(gate.waits, PATIENCE)
            worker = gate.waiting()
            assert worker.pid != driver.pid
            worker.kill()
            wait_until(lambda: gate.waits() == 2, PATIENCE)  # another worker has taken the shard over
            assert gate.waiting().pid != worker.pid
            driver.send_signal(signal.SIGKILL)
        before = command.read_shards(output)
        assert 0 < len(before) < IMAGES // SHARD
        gate.release()
        status, said, errors = command.run(*words)
    already = sum(command.images(before).values())
    assert (status, said) == (1, "")
    assert errors.splitlines()[1:] == [
        f"{output}: {IMAGES} images in {IMAGES // SHARD} shards ({already} of them were there already), 1 could not be "
        "classified"
    ]
    rows = command.read_shards(output)
    assert {name: rows[name] for name in before} == before
    assert [row["image"] for shard in rows.values() for row in shard] == urls
    with Classifier(tiny_server.grpc_url, "tiny_onnx") as classifier:
        truth = list(classifier.classify(photographs))
    for row, result in zip((row for shard in rows.values() for row in shard), truth, strict=True):
        assert row["error"] == result.error
        assert (row["model"], row["version"]) == (result.model, result.version)
        if not result.error:
            assert row["index"] == [p.index for p in result.predictions]
            assert row["label"] == [p.label for p in result.predictions]
            assert row["probability"] == pytest.approx([p.probability for p in result.predictions], abs=1e-6)
    assert [path.name for path in output.iterdir() if ".partial" in path.name] == []


def test_on_this_machine_alone_with_a_store_and_servers_of_its_own(
    tiny_repository: Path, photographs: list[Path], tmp_path: Path
) -> None:
    shutil.copytree(tiny_repository / "tiny_onnx", tmp_path / "models" / "tiny_onnx")
    with Gate(photographs[0].parent).serving() as gate, stores.serving() as store:
        own = store.put("photos/a.png", photographs[9].read_bytes())
        urls = [*(f"{gate.url}/{path.name}" for path in photographs[:5]), own, f"{store.url}/photos/gone.png"]
        table = store.put("list.csv", "\n".join(["image", *urls]).encode())
        words = [table, "--column", "image", "--output", f"{store.url}/out", "--shard-size", "5", "--top", "2"]
        words += ["--repository", str(tmp_path / "models"), "--model", "tiny_onnx"]
        gate.hold(photographs[3].name)
        with command.start(*words, environment=stores.ENVIRONMENT) as driver:
            wait_until(gate.waits, PATIENCE)
            family = psutil.Process(driver.pid).children(recursive=True)
            doors = listeners(family)
            homes = servers_homes(family)
            gate.release()
            _, errors = driver.communicate()
        assert driver.returncode == 1, errors
        assert errors.splitlines()[-1] == f"{store.url}/out: 7 images in 2 shards, 1 could not be classified"
        shards = [key for key in store.listed() if key.startswith("out/part-")]
        rows = [row for key in shards for row in pq.read_table(io.BytesIO(store.get(key))).to_pylist()]
    assert doors
    assert {host for host, _ in doors} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    _, alive = psutil.wait_procs(family, PATIENCE)
    assert not alive
    assert homes
    assert [trace for home in homes for trace in traces(home)] == []
    assert [row["image"] for row in rows] == urls
    assert [row["error"] for row in rows] == [None] * 6 + ["no such object"]
    assert all(len(row["probability"]) == 2 for row in rows[:6])


def listeners(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    """Where they listen: host and port."""
    pids = {process.pid for process in processes}
    return {
        (connection.laddr.ip, connection.laddr.port)
        for connection in psutil.net_connections("tcp")
        if connection.pid in pids and connection.status == psutil.CONN_LISTEN and connection.laddr
    }


def servers_homes(processes: list[psutil.Process]) -> list[Path]:
    """The temporary directories of the servers among them."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            found += [Path(words[4])] if "guardian.py" in " ".join(words) else []
    return found
