"""`make chaos`: kill and starve what belongs to a server at work, and see what heals, how fast, and what is lost.

python -m tests.chaos --each 21 --seed 0
"""

import argparse
import sys
import time
from collections.abc import Mapping

from tests.chaos import house
from tests.chaos.events import EVENTS, Row, raise_chaos
from tests.chaos.served import make_repository

HEAD = ["event", "times", "recovered", "seconds, median", "seconds, maximum", "unnamed or harmed", "left behind"]


def table(rows: Mapping[str, Row]) -> str:
    """What was done, as a table of Markdown."""
    lines = [HEAD, ["---", *["--:"] * (len(HEAD) - 1)], *([name, *row.cells()] for name, row in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=3, metavar="N", help="how often each event is done (%(default)s)")
    parser.add_argument(
        "--only", metavar="WORDS,WORDS", default="", help="the events with any of these words in their name"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--patience", type=int, default=5, metavar="SECONDS", help="of `serve` (%(default)s)")
    options = parser.parse_args()
    if not house.is_inside():
        return house.run_inside([sys.executable, "-m", "tests.chaos", *sys.argv[1:]])
    start, names = (
        time.monotonic(),
        [name for name in EVENTS if any(map(name.__contains__, options.only.split(",")))] * options.each,
    )
    rows, work, left = raise_chaos(make_repository(house.place() / "models"), options.seed, names, options.patience)
    problems = [problem for row in rows.values() for problem in (*row.wrong, *row.left)]
    for problem in [*sorted(set(work.errors))[:10], *problems, *left]:
        print(problem)
    print(f"{table(rows)}\n")
    print(
        f"Seed {options.seed}, {time.monotonic() - start:.0f} s. The client got {work.answers:,} answers: "
        f"{len(work.errors)} errors, {work.wrong} wrong. Left behind at the end: {len(left)}."
    )
    sound = all(row.is_sound for row in rows.values())
    return 0 if sound and not (work.errors or work.wrong or left) else 1


if __name__ == "__main__":
    sys.exit(main())
