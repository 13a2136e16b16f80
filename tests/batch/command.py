"""The command in a process of its own, and what it has written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Rows = dict[str, list[dict[str, Any]]]


@contextmanager
def start(*words: str, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """`tritonrepo batch WORDS`; killed if it still runs at the end of the block."""
    command = [sys.executable, "-m", "tritonrepo", "batch", *words]
    settings = {**os.environ, **(environment or {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=settings, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*words: str, environment: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Status, standard output and standard error."""
    with start(*words, environment=environment) as process:
        output, errors = process.communicate()
    return process.returncode, output, errors


def read_shards(folder: Path) -> Rows:
    """The rows of each shard, by its name."""
    return {
        path.name: pq.read_table(path).to_pylist() for path in sorted(folder.glob("*.parquet")) if path.name[0] != "_"
    }


def images(rows: Rows) -> Counter[str]:
    """How often each image is there."""
    return Counter(row["image"] for shard in rows.values() for row in shard)
