"""`make abuse`: generated bad requests against a guarded server, and one table of what became of them.

python -m tests.abuse --count 2000 --seed 1
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.abuse.attack import SLOW_CONNECTIONS, Result, attack
from tests.abuse.requests import make
from tests.abuse.served import served
from tests.chaos.served import make_repository


def table(result: Result) -> str:
    """The outcomes as a table of Markdown."""
    lines = ["| what is bad | sent | answers | let in | ended the server |", "| --- | --- | --- | --- | --- |"]
    for kind, outcome in sorted(result.outcomes.items()):
        answers = ", ".join(f"{answer} x{count}" for answer, count in outcome.answers.most_common())
        lines.append(f"| {kind} | {outcome.answers.total()} | {answers} | {outcome.let_in} | {outcome.ended} |")
    before, after = result.memory
    worst = f", the longest after {max(result.recoveries):.1f} s" if result.recoveries else ""
    sentences = (
        f"Beside {SLOW_CONNECTIONS} slow connections.",
        f"The server ended {len(result.recoveries)} times and was right again each time{worst}; it was wrong",
        f"{result.wrong} times. Memory of server and stubs: {before:.0f} MiB before, {after:.0f} MiB after.",
    )
    return "\n".join([*lines, "", " ".join(sentences)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.abuse", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    try:
        with served(make_repository(place / "models")) as target:
            attack(target, make(options.seed + 1, 100))  # warms up
            result = attack(target, make(options.seed, options.count))
    finally:
        shutil.rmtree(place)
    print(f"{options.count} requests, seed {options.seed}\n\n{table(result)}")
    return 1 if result.wrong or any(outcome.let_in for outcome in result.outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
