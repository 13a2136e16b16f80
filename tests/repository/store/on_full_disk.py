"""Publishes onto a small tmpfs with 0, 1, 2, ... free pages, then inodes, until that goes through."""

import os
import shutil
import sys
from pathlib import Path

from tests.repository.releases import NAME, candidate, contents, served
from tritonrepo.client.errors import MissingError
from tritonrepo.repository.files import disk_errors
from tritonrepo.repository.publish import open_repository

PAGE = 4096
NAMES = (NAME, "net_torchscript")


def publish(models: Path, content: bytes) -> None:
    """Two models at once, one of which may be what does not fit."""
    with disk_errors(f"cannot export to {models}"), open_repository(models) as repository:
        repository.publish([candidate(repository, content, name=name) for name in NAMES], keep=2)


def fill(full: Path, unit: str, free: int) -> None:
    """Leave so many free pages or inodes."""
    full.mkdir()
    state = os.statvfs(full)
    if unit == "pages":
        (full / "file").write_bytes(bytes(max(state.f_bfree - free, 0) * PAGE))
    else:
        for number in range(state.f_ffree - free):
            (full / str(number)).touch()


def sweep(place: Path, unit: str) -> str:
    """How often it failed; every time all is as it was, and nothing lies beside the repository."""
    models = place / unit / "models"
    publish(models, b"one" * PAGE)
    before, failures = contents(models), 0
    while True:
        fill(place / "full", unit, failures)
        try:
            publish(models, b"two" * PAGE)
        except MissingError:
            shutil.rmtree(place / "full")
            assert contents(models) == before, f"{failures} {unit}"
            assert [path.name for path in models.parent.iterdir()] == ["models"], f"{failures} {unit}"
            failures += 1
        else:
            shutil.rmtree(place / "full")
            assert [served(models, name) for name in NAMES] == [[2], [2]]
            return f"{failures} {unit}"


def main() -> None:
    """Sweep both."""
    place = Path(sys.argv[1])
    print(sweep(place, "pages"))
    print(sweep(place, "inodes"))


if __name__ == "__main__":
    main()
