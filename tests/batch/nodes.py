"""A Ray cluster of several nodes on this machine: `python -m tests.batch.nodes 2` until its standard input ends."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tritonrepo.batch.environment import LOOPBACK


@contextmanager
def cluster(nodes: int, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a cluster with so many nodes of one CPU each, in a process of its own."""
    words = [sys.executable, "-m", "tests.batch.nodes", str(nodes)]
    settings = {**os.environ, **(environment or {}), "RAY_USAGE_STATS_ENABLED": "0", **LOOPBACK}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=settings, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "Ray has not started"
        yield address
        process.communicate()


def main() -> int:
    import ray
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.ERROR)
    ours = {"num_cpus": 1, "include_dashboard": False, "node_ip_address": "127.0.0.1", "object_store_memory": 100 << 20}
    started = Cluster(initialize_head=True, head_node_args=ours)
    for _ in range(int(sys.argv[1]) - 1):
        started.add_node(num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=100 << 20)
    print(started.address, flush=True)
    sys.stdin.read()
    started.shutdown()
    assert not ray.is_initialized()
    return 0


if __name__ == "__main__":
    sys.exit(main())
