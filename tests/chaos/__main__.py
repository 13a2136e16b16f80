"""`make chaos`: kill and stop what belongs to a server at work, and see what heals, how fast, and what is lost.

python -m tests.chaos --count 42 --seed 0
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.chaos.events import Row, raise_chaos
from tests.chaos.served import make_repository

HEAD = ["event", "times", "recovered", "seconds, median", "seconds, maximum", "left behind"]


def table(rows: Mapping[str, Row]) -> str:
    """What was done, as a table of Markdown."""
    lines = [HEAD, ["---", *["--:"] * (len(HEAD) - 1)], *([name, *row.cells()] for name, row in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=42, metavar="N", help="events (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args()
    place, start = Path(tempfile.mkdtemp()), time.monotonic()
    try:
        rows, work, left = raise_chaos(make_repository(place / "models"), options.seed, options.count)
    finally:
        shutil.rmtree(place)
    for trace in [*sorted(set(work.errors))[:10], *(trace for row in rows.values() for trace in row.left), *left]:
        print(trace)
    print(f"{table(rows)}\n")
    print(
        f"Seed {options.seed}, {time.monotonic() - start:.0f} s. The client got {work.answers:,} answers: "
        f"{len(work.errors)} errors, {work.wrong} wrong. Left behind at the end: {len(left)}."
    )
    sound = all(row.done == len(row.seconds) and not row.left for row in rows.values())
    return 0 if sound and not (work.errors or work.wrong or left) else 1


if __name__ == "__main__":
    sys.exit(main())
