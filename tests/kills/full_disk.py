"""`tritonrepo export` into a disk that is full, with a little more room each time until it succeeds.

    python -m tests.kills.full_disk

The disk is a small tmpfs in a mount namespace of its own, of which nobody else sees anything. Room is counted in pages,
and once more in inodes, so that each write, link and directory of an export is at some time the one that fails.
"""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096
BYTES, INODES = 16 * 2**20, 400
WORDS = ("--formats", "torchscript", "--max-batch-size", "2")
MESSAGE = re.compile(
    r"(No space left on device|out of space).*Every model in the repository is whole; free space", re.IGNORECASE
)
INSIDE = f'mount -t tmpfs -o size={BYTES},nr_inodes={INODES} tmpfs "$1" && exec "$2" -m tests.kills.full_disk "$1"'


@dataclass
class Full:
    """What became of the exports.

    Attributes:
        tried: Exports into too little room.
        named: Those that ended with the status 3, and a message of where, why and what to do.
        unnamed: What the others said.
        damaged: How often the repository was not as before, or something lay beside it.
        needed: What the first export needed that went through.
    """

    tried: int = 0
    named: int = 0
    unnamed: list[str] = field(default_factory=list)
    damaged: int = 0
    needed: int = 0


def sweep(place: Path, unit: str) -> Full:
    """Export with 0, 1, 2, … free pages or inodes until that succeeds; a version is there before."""
    found, models, full = Full(), place / "models", place / "full"
    assert export(models, "tiny")[0] == 0
    before = contents(models)
    while True:
        fill(place, full, unit, found.needed)
        status, said = export(models, "other_weights")
        shutil.rmtree(full)
        if status == 0:
            shutil.rmtree(models)
            return found
        found.tried += 1
        if status == 3 and MESSAGE.search(said) and str(models) in said:
            found.named += 1
        else:
            found.unnamed.append(f"{found.needed} {unit}, status {status}: {said[-600:]}")
        found.damaged += contents(models) != before or [path.name for path in place.iterdir()] != ["models"]
        found.needed += 1


def fill(place: Path, full: Path, unit: str, free: int) -> None:
    """Leave so many free pages or inodes."""
    full.mkdir()
    state = os.statvfs(place)
    if unit == "pages":
        (full / "file").write_bytes(bytes((state.f_bfree - free) * PAGE))
    else:
        for number in range(state.f_ffree - free):
            (full / str(number)).touch()


def export(models: Path, factory: str) -> tuple[int, str]:
    """The status of the command, and what it said in one line."""
    from tritonrepo.cli.main import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(["export", "--model", f"tests/factories.py:{factory}", *WORDS, "--repository", str(models)])
    return status, " ".join(said.getvalue().split())


def contents(root: Path) -> dict[str, bytes]:
    """Each file of a repository."""
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def run() -> subprocess.CompletedProcess[bytes]:
    """The sweeps in a mount namespace, for which a user namespace is made too."""
    with tempfile.TemporaryDirectory() as place:
        words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", INSIDE, "sh", place, sys.executable]
        return subprocess.run(words, check=False)


def inside(place: Path) -> int:
    """Both sweeps, and their table."""
    rows = {unit: sweep(place, unit) for unit in ("pages", "inodes")}
    for full in rows.values():
        for text in full.unnamed[:10]:
            print(f"problem: {text}")
    print("| what was scarce | exports without room | named, with what to do | damaged | needed |")
    print("| --- | --: | --: | --: | --: |")
    for unit, full in rows.items():
        print(f"| {unit} | {full.tried} | {full.named} | {full.damaged} | {full.needed} |")
    return 1 if any(full.unnamed or full.damaged for full in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(inside(Path(sys.argv[1])) if len(sys.argv) > 1 else run().returncode)
