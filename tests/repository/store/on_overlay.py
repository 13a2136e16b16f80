"""Publishes, prunes and rolls back in a repository that is mounted where this runs, and says what came of it."""

import sys
from pathlib import Path

from tests.repository.releases import NAME, release, served
from tritonrepo.repository.publish import open_repository


def main() -> None:
    """The repository has two versions."""
    models = Path(sys.argv[1])
    kind = next(line.split()[2] for line in Path("/proc/mounts").read_text().splitlines() if "/merged" in line)
    print(kind)
    done = release(models, b"three")
    print(done.status, done.version, "pruned", *done.pruned, "left", *done.left)
    with open_repository(models) as repository:
        repository.roll_back([NAME])
    print("back", *served(models))
    done = release(models, b"four")
    print(done.status, *served(models))
    assert [path.name for path in models.parent.iterdir()] == ["models"]


if __name__ == "__main__":
    main()
