"""`python -m tests.rollout`: releases to three servers under a load of four clients, right ones and each kind of wrong.

python -m tests.rollout --rounds 5
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.rollout.scenarios import SCENARIOS
from tests.rollout.world import Seen, world
from tritonrepo.serve.command import ModelControlMode

MODES: dict[ModelControlMode, tuple[str, ...]] = {
    "explicit": tuple(SCENARIOS),
    "poll": ("right", "overlap", "wrong", "unloadable"),
}
HEAD = ("mode", "release", "times", "requests", "lost", "refused", "wrong answers", "as it should")


def row(mode: str, name: str, seen: list[Seen], wrong: int, failed: int) -> str:
    """A line of the table; refused are requests that the client sent again, to another server or a moment later."""
    requests = sum(one.asked for each in seen for one in each.clients)
    lost = sum(each.lost() for each in seen)
    refused = sum(len(one.refused) for each in seen for one in each.clients)
    cells = [mode, name, len(seen), f"{requests:,}", lost, refused, wrong, f"{len(seen) - failed} of {len(seen)}"]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rollout", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    options = parser.parse_args()
    start, rows, problems = time.monotonic(), [], Counter[str]()
    for mode, names in MODES.items():
        with tempfile.TemporaryDirectory() as place, world(Path(place), mode) as one:
            for name in names:
                begin, wrong, failed = len(one.seen), 0, 0
                for _ in range(options.rounds):
                    found = SCENARIOS[name](one)
                    problems.update(found)
                    failed += bool(found)
                seen = one.seen[begin:]
                wrong = sum(len(told.wrong(one.truth)) for each in seen for told in each.clients)
                rows.append(row(mode, name, seen, wrong, failed))
                print(f"{mode} {name}: {time.monotonic() - start:.0f} s so far", file=sys.stderr)
    for problem, count in problems.most_common(20):
        print(f"problem: {problem} ({count})")
    lines = [f"| {' | '.join(HEAD)} |", "| --- | --- | --: | --: | --: | --: | --: | --- |", *rows]
    print(f"{time.monotonic() - start:.0f} s\n\n" + "\n".join(lines))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
