"""`make batch-runs`: a data set on a Ray cluster of two nodes, with a worker, a node and then the driver killed.

python -m tests.batch --images 5000 --rounds 1
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from examples.demo import FACTORY
from tests.batch.evidence import Evidence, gather
from tests.batch.photographs import make_photographs

LEAST = 0.9
"""Of the images a second of `classify`."""


def table(found: Evidence) -> str:
    """What was done and seen, as a table of Markdown."""
    batch, classify = (
        " and ".join(f"{found.images / seconds:.1f}" for seconds in series)
        for series in (found.batch_seconds, found.classify_seconds)
    )
    rows = [
        ("images, and damaged ones among them", f"{found.images:,}, {found.failed}"),
        ("shards, and how many were there at the death of the worker, the node and the driver",
         f"{found.shards}; {found.at_worker}, {found.at_node}, {found.at_driver}"),
        ("images that are missing or there twice after the same command", str(found.missing)),
        ("rows that differ from the undisturbed run's", str(found.different)),
        ("files left by the killed", str(found.left)),
        ("`batch`, images/s, the whole command", batch),
        ("`classify`, images/s, the whole command", classify),
        ("`batch` over `classify`", f"{found.ratio:.3f}"),
    ]  # fmt: skip
    return "\n".join(["| what | seen |", "| --- | --- |", *(f"| {what} | {seen} |" for what, seen in rows)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.batch", description=str(__doc__).splitlines()[0])
    parser.add_argument("--images", type=int, default=5000, metavar="N")
    parser.add_argument("--shard-size", type=int, default=128, metavar="N")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="undisturbed runs of each command")
    parser.add_argument("--model", default=FACTORY, metavar="FILE:FACTORY", help="what to export (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        photographs, repository = place / "photographs", place / "models"
        photographs.mkdir()
        make_photographs(photographs, options.images)
        # A batch is one request, which Triton cannot merge with others: the results are then the same to the last bit.
        words = [
            "--model",
            options.model,
            "--max-batch-size",
            "8",
            "--formats",
            "onnx",
            "--repository",
            str(repository),
        ]
        subprocess.run([sys.executable, "-m", "tritonrepo", "export", *words], check=True, stdout=subprocess.DEVNULL)
        (model,) = (path.name for path in repository.iterdir() if path.is_dir())
        found = gather(place, photographs, repository, model, options.shard_size, options.rounds)
    print(table(found))
    return 0 if found.is_sound and found.ratio >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
