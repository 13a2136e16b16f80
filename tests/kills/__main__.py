"""`make kills`: kill -9 at random moments of an export, with a polling server and two clients at work.

python -m tests.kills --count 200 --seed 1
python -m tests.kills --store overlay
python -m tests.kills --store s3
python -m tests.kills --store gs
python -m tests.kills --store as
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import azurite, gcs
from tests.kills.kill import Kills
from tests.kills.publisher import publish
from tests.kills.releases import prepare
from tests.kills.run import Run, run
from tests.objectstore import CREDENTIALS, make_bucket, object_store
from tests.overlay import on_overlay
from tritonrepo.repository.store.address import Address

EVERY = 40
"""Of so many kills one is of a whole `tritonrepo export`."""
TOLD = 20
"""After so many kills a line of progress."""
STORES = {
    "disk": "a disk",
    "overlay": "an overlay",
    "s3": "an object store that speaks S3",
    "gs": "a store that speaks Google's protocols",
    "as": "Azure's emulator at Azure's address",
}
"""Where the repository can be."""


def table(found: Run) -> str:
    """What was done and seen, as a table of Markdown."""
    kills, answers = found.kills, found.answers
    at_switch = sum(one.at_switch for one in answers.values())
    otherwise = sum(len(one.otherwise()) for one in answers.values())
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
        ("errors of the clients", str(sum(len(one.errors) for one in answers.values()))),
        ("requests refused at a switch (UNAVAILABLE), which the clients sent again", str(at_switch)),
        ("requests refused otherwise, which they sent again", str(otherwise)),
        ("writers that failed by themselves", str(len(kills.faults))),
        ("processes that outlived a killed command by a minute", str(len(kills.left))),
        ("files left beside the repository", str(len(found.strangers))),
    ]
    return "\n".join(["| what | seen |", "| --- | --- |", *(f"| {what} | {seen} |" for what, seen in rows)])


@contextmanager
def bucket(kind: str, place: Path) -> Iterator[Address | None]:
    """A bucket in an object store that runs as long as the block; None where the repository is on a disk."""
    with ExitStack() as stack:
        if kind == "s3":
            os.environ |= CREDENTIALS
            yield make_bucket(stack.enter_context(object_store(place / "store.log")), "kills")
        elif kind == "gs":
            server = stack.enter_context(gcs.google_store(place / "store.log"))
            os.environ |= gcs.environment(server)
            yield gcs.make_google_bucket(server, "kills")
        elif kind == "as":
            server = stack.enter_context(azurite.azure_store(place / "store.log"))
            os.environ |= azurite.environment(server)
            yield azurite.make_container(server, "kills")
        else:
            yield None


def overlaid(place: Path, words: list[str]) -> int:
    """Run this command in `place` on an overlay of a user, with the first version in its lower layer; its status.

    Nothing can be renamed into a directory of that layer, so that each version is copied to its place file by file.
    """
    for name in ("prepared", "mounted"):
        (place / name).mkdir()
    prepare(place / "prepared", 1)
    publish(place / "models", place / "prepared")
    inside = [sys.executable, "-m", "tests.kills", *words, "--place", str(place / "mounted" / "merged")]
    return subprocess.run(on_overlay(place / "mounted", place / "models", inside), check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, metavar="N")
    parser.add_argument(
        "--minutes", type=float, default=600.0, metavar="N", help="stop after so many, whatever --count"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--every", type=int, default=EVERY, metavar="N", help="one in N is of a whole command; 0: none")
    parser.add_argument("--store", choices=STORES, default="disk", help="where the repository is (%(default)s)")
    parser.add_argument("--place", type=Path, metavar="DIR", help="a directory that is prepared for it")
    options = parser.parse_args()
    if options.place:
        return measure_in(options, options.place)
    place = Path(tempfile.mkdtemp())
    try:
        if options.store == "overlay":
            return overlaid(place, sys.argv[1:])
        if options.store == "as":
            inside = [sys.executable, "-m", "tests.kills", *sys.argv[1:], "--place", str(place)]
            return subprocess.run(azurite.disguise(place, inside), check=False).returncode
        return measure_in(options, place)
    finally:
        shutil.rmtree(place)


def measure_in(options: argparse.Namespace, place: Path) -> int:
    """Do it in a directory, or in a store whose log and certificate are there; return the status."""
    if options.store == "overlay":
        return measure(options, place)
    with bucket(options.store, place) as address:
        (place / "work").mkdir()
        return measure(options, place / "work", address)


def measure(options: argparse.Namespace, place: Path, address: Address | None = None) -> int:
    """Do it in a directory, say what was seen, and return the status."""
    start, most = time.monotonic(), 60.0 * float(options.minutes)

    def go_on(kills: Kills) -> bool:
        seconds = time.monotonic() - start
        if kills.count % TOLD == 0:
            print(f"{kills.count} of {options.count} kills, {seconds:.0f} s so far", file=sys.stderr, flush=True)
        return seconds < most

    found = run(place, options.count, options.seed, options.every, address, go_on)
    for problem in sorted(set(found.problems()))[:20]:
        print(f"problem: {problem}")
    print(f"{found.kills.count} kills on {STORES[options.store]}, seed {options.seed}, "
          f"{time.monotonic() - start:.0f} s\n\n{table(found)}")  # fmt: skip
    return 1 if found.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
