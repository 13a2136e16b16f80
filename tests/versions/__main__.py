"""`make rollout`: releases that change everything, on two servers one after the other, while clients are at work.

python -m tests.versions --rounds 6 --releases 6 --seed 1
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.versions.answers import Seen
from tests.versions.rollout import Mode, run

MODES: tuple[Mode, ...] = ("explicit", "poll")
HEAD = ("client", "images", "answers by version 1, 2, …", "wrong", "errors", "lost", "doubled")


def cells(name: str, found: list[Seen], releases: int) -> list[str]:
    """A row of the table: one client's, of all rounds."""
    versions: Counter[str] = sum((one.versions for one in found), Counter())
    counts = [[len(one.asked), len(one.wrong), len(one.errors), one.lost, one.doubled] for one in found]
    images, *bad = (f"{sum(column):,}" for column in zip(*counts, strict=True))
    return [name, images, ", ".join(f"{versions[str(number)]:,}" for number in range(1, releases + 1)), *bad]


def table(rounds: list[dict[str, Seen]], releases: int) -> str:
    """What was seen, as a table of Markdown."""
    rows = [cells(name, [one[name] for one in rounds], releases) for name in rounds[0]]
    lines = [HEAD, ("---", "--:", "---", *["--:"] * 4), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.versions", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6, metavar="N", help="by model control and by polling in turns")
    parser.add_argument("--images", type=int, default=300, metavar="N", help="for each command")
    parser.add_argument("--releases", type=int, default=6, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    options = parser.parse_args()
    start, rounds = time.monotonic(), []
    for number in range(options.rounds):
        mode = MODES[number % len(MODES)]
        with tempfile.TemporaryDirectory() as place:
            rounds.append(run(Path(place), options.images, options.releases, mode, options.seed + number))
        print(f"round {number + 1}, {mode}: {time.monotonic() - start:.0f} s so far", file=sys.stderr)
    problems = [text for found in rounds for one in found.values() for text in one.problems()]
    for problem in problems[:20]:
        print(f"problem: {problem}")
    seconds = time.monotonic() - start
    print(f"{options.rounds} rounds, seed {options.seed}, {seconds:.0f} s\n\n{table(rounds, options.releases)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
