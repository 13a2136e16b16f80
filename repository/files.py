"""The disk: files that are synced, and words for what it refuses."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tritonrepo.client.errors import MissingError, TritonRepoError


def write(path: Path, text: str) -> None:
    """Write a new file for all to read, and sync it."""
    path.write_text(text, encoding="utf-8")
    let_all_read(path)
    sync(path)


def let_all_read(path: Path) -> None:
    """Let everybody read a file or list a directory, and its owner alone change it, whatever the umask.

    A server runs as a user of its own, in a container for one.
    """
    path.chmod(0o755 if path.is_dir() else 0o644)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Say of every `OSError` in the block that the repository is whole, and what to do: a `MissingError`.

    Args:
        what: What could not be done.
    """
    try:
        yield
    except TritonRepoError:
        raise
    except OSError as exc:
        where = f" ({exc.filename})" if exc.filename else ""
        raise MissingError(
            f"{what}: {exc.strerror or exc}{where}. Every model in the repository is whole; free space or mend the "
            "permissions, then export again"
        ) from exc


def write_errors(root: Path | str) -> AbstractContextManager[None]:
    """`disk_errors` of a block that writes to the repository `root`."""
    return disk_errors(f"cannot write to the repository {root}")
