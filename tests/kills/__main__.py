"""`make kills`: kill -9 at random moments of an export, with a polling server and two clients at work.

python -m tests.kills --count 200 --seed 1
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.kills.run import Run, run
from tests.objectstore import CREDENTIALS, make_bucket, object_store
from tritonrepo.repository.store.address import Address

EVERY = 40
"""Of so many kills one is of a whole `tritonrepo export`."""


def table(found: Run) -> str:
    """What was done and seen, as a table of Markdown."""
    kills, answers = found.kills, found.answers
    rows = [
        ("kills", f"{kills.count}, {kills.commands} of them of a whole `tritonrepo export`"),
        ("in the middle of the writer's work", f"{kills.before} before the new version was live, {kills.after} after"),
        ("versions published", str(kills.published)),
        ("loads by the polling server", str(found.loads)),
        ("failed loads, and versions not loaded in a minute", str(len(found.failed_loads) + len(kills.unloaded))),
        ("what the doctor finds at the end", str(len(found.findings))),
        *(
            (f"answers over {protocol}", f"{one.count:,}, by {len(one.versions)} versions")
            for protocol, one in answers.items()
        ),
        ("wrong answers", str(sum(len(one.wrong) for one in answers.values()))),
        ("errors", str(sum(len(one.errors) for one in answers.values()))),
        ("writers that failed by themselves", str(len(kills.faults))),
        ("processes that outlived a killed command by a minute", str(len(kills.left))),
        ("files left beside the repository", str(len(found.strangers))),
    ]
    return "\n".join(["| what | seen |", "| --- | --- |", *(f"| {what} | {seen} |" for what, seen in rows)])


@contextmanager
def bucket(place: Path) -> Iterator[Address]:
    """A bucket in an object store that runs as long as the block."""
    os.environ |= CREDENTIALS
    with object_store(place / "store.log") as server:
        yield make_bucket(server, "kills")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--every", type=int, default=EVERY, metavar="N", help="one in N is of a whole command; 0: none")
    parser.add_argument("--store", choices=["disk", "s3"], default="disk", help="where the repository is")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    start = time.monotonic()
    try:
        with bucket(place) if options.store == "s3" else nullcontext() as address:
            (place / "work").mkdir()
            found = run(place / "work", options.count, options.seed, options.every, address)
    finally:
        shutil.rmtree(place)
    for problem in sorted(set(found.problems()))[:20]:
        print(f"problem: {problem}")
    seconds = time.monotonic() - start
    print(f"{options.count} kills, seed {options.seed}, {seconds:.0f} s\n\n{table(found)}")
    return 1 if found.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
