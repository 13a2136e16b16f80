"""A Ray cluster of nodes on this machine: `python -m tests.batch.nodes 2` until its standard input ends.

For each line that it reads it kills the raylet of a node, never of the first, and says `killed` when that is gone.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tritonrepo.batch.environment import LOOPBACK


@dataclass(frozen=True)
class Nodes:
    """A cluster.

    Attributes:
        address: Where a driver finds it.
        process: That started its nodes.
    """

    address: str
    process: subprocess.Popen[str]

    def kill_one(self) -> None:
        """End a node, and its workers with it, as a machine does that fails; the first one, which leads, stays."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "killed\n"


@contextmanager
def cluster(nodes: int, environment: Mapping[str, str] | None = None) -> Iterator[Nodes]:
    """A cluster with so many nodes of one CPU each, or one of two, in a process of its own."""
    words = [sys.executable, "-m", "tests.batch.nodes", str(nodes)]
    settings = {**os.environ, **(environment or {}), "RAY_USAGE_STATS_ENABLED": "0", **LOOPBACK}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=settings, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "Ray has not started"
        yield Nodes(address, process)
        process.communicate()


def main() -> int:
    import ray
    from ray._private.ray_constants import PROCESS_TYPE_RAYLET
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.ERROR)
    nodes = int(sys.argv[1])
    each = {"num_cpus": max(1, 2 // nodes), "node_ip_address": "127.0.0.1", "object_store_memory": 100 << 20}
    # No more processes than the work needs: nothing is scaled, and nobody reads the workers' logs.
    head = {**each, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    started = Cluster(initialize_head=True, head_node_args=head)
    others = [started.add_node(**each) for _ in range(nodes - 1)]
    print(started.address, flush=True)
    for _ in sys.stdin:
        (raylet,) = others.pop().all_processes[PROCESS_TYPE_RAYLET]
        raylet.process.kill()
        raylet.process.wait()  # as a zombie its workers would take it for alive
        print("killed", flush=True)
    started.shutdown()
    assert not ray.is_initialized()
    return 0


if __name__ == "__main__":
    sys.exit(main())
