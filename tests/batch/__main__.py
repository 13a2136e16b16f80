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
"""Of the images a second of `classify`, both at work. Ray takes some seconds to start, whatever the data set."""


def table(found: Evidence) -> str:
    """What was done and seen, as a table of Markdown."""
    whole, at_work = (
        [" and ".join(f"{getattr(speed, part):.1f}" for speed in speeds) for speeds in (found.batch, found.classify)]
        for part in ("whole", "at_work")
    )
    rows = [
        ("images, and damaged ones among them", f"{found.images:,}, {found.failed}"),
        ("shards, and how many were there at the death of the worker, the node and the driver",
         f"{found.shards}; {found.at_worker}, {found.at_node}, {found.at_driver}"),
        ("the driver", "was ended by the node's death, with status 3" if found.ended else "went on, and was killed"),
        ("images that are missing or there twice after the same command", str(found.missing)),
        ("rows that differ from the undisturbed run's", str(found.different)),
        ("files left by the killed", str(found.left)),
        ("`batch` and `classify`, images/s of the whole command", f"{whole[0]}; {whole[1]} ({found.whole_ratio:.3f})"),
        ("the same between the first and the last results", f"{at_work[0]}; {at_work[1]} ({found.ratio:.3f})"),
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
        words = ["--model", options.model, "--max-batch-size", "8", "--formats", "onnx"]
        words += ["--repository", str(repository)]
        subprocess.run([sys.executable, "-m", "tritonrepo", "export", *words], check=True, stdout=subprocess.DEVNULL)
        (model,) = (path.name for path in repository.iterdir() if path.is_dir())
        found = gather(place, photographs, repository, model, options.shard_size, options.rounds)
    print(table(found))
    return 0 if found.is_sound and found.ratio >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
