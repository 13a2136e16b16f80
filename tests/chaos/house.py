"""A place for chaos in which it disturbs nobody: small disks of its own, and a clock that can be stepped.

A mount namespace has a `/dev/shm` and a TMPDIR of its own, each a small tmpfs. A user namespace makes that possible for
everybody, not for root alone. The clock is a library that each process preloads.
"""

import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PLACE = "CHAOS_HOUSE"
CLOCK = "CHAOS_CLOCK"
SHARED_MEMORY = Path("/dev/shm")
MOST_BYTES = 96 << 20
BUILD = """
set -e
mount -t tmpfs -o size=64m tmpfs /dev/shm
mount -t tmpfs -o size=96m tmpfs "$1/tmp"
shift
exec "$@"
"""
LIBRARY = "clock.so"


def run_inside(words: Sequence[str]) -> int:
    """The exit status of a command in a new house, which is gone afterwards."""
    with tempfile.TemporaryDirectory() as place:
        library, clock, temporary = Path(place, LIBRARY), Path(place, "clock"), Path(place, "tmp")
        source = Path(__file__).parent / "clock.c"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        clock.write_bytes(bytes(8))
        temporary.mkdir()
        own = {PLACE: place, CLOCK: str(clock), "TMPDIR": str(temporary), "LD_PRELOAD": str(library)}
        unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", BUILD, "sh", place]
        return subprocess.run([*unshare, *words], env=os.environ | own, check=False).returncode


def place() -> Path:
    """Where the house keeps what belongs on no small disk."""
    return Path(os.environ[PLACE])


def is_inside() -> bool:
    return PLACE in os.environ


def step_clock(seconds: float) -> None:
    """Let the wall clock of all processes differ from the right time by so much, from now on."""
    before = time.time()
    with Path(os.environ[CLOCK]).open("r+b", buffering=0) as file:
        (was,) = struct.unpack("q", file.read(8))
        file.seek(0)
        file.write(struct.pack("q", int(seconds * 1e9)))
    moved, wanted = time.time() - before, seconds - was / 1e9
    assert abs(moved - wanted) < 1, f"the clock went {moved:.0f} s and not {wanted:.0f}"


def has_clock(process: int) -> bool:
    """Whether a process takes its time from the clock."""
    return LIBRARY in Path(f"/proc/{process}/maps").read_text()


@contextmanager
def filled(directory: Path) -> Iterator[Callable[[], None]]:
    """One of the house's disks without room; what is yielded takes the room that became free since."""
    assert is_inside(), "this is another's disk"
    files: list[Path] = []

    def fill() -> None:
        state = os.statvfs(directory)
        size = state.f_bavail * state.f_frsize
        assert size <= MOST_BYTES
        if size:
            files.append(directory / f"filler{len(files)}")
            with files[-1].open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)

    try:
        fill()
        yield fill
    finally:
        for file in files:
            file.unlink()


def contents() -> set[Path]:
    """What lies on the small disks."""
    return {*SHARED_MEMORY.iterdir(), *Path(tempfile.gettempdir()).iterdir()}
