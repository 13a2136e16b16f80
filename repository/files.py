"""The disk: files that are synced, hard links, and the exchange of two directories in one step."""

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tritonrepo.client.errors import MissingError, TritonRepoError

_RENAME_NOREPLACE = 1  # linux/fs.h
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def write(path: Path, text: str) -> None:
    """Write a new file for all to read, and sync it. A hard link that stands there is replaced, not written through."""
    path.unlink(missing_ok=True)
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


def sync_directories(root: Path) -> None:
    """Sync `root` and every directory below it."""
    for directory, _, _ in os.walk(root, topdown=False):
        sync(Path(directory))


def link(source: str, destination: str) -> None:
    """Make a hard link, or a copy on a filesystem that has none."""
    try:
        os.link(source, destination, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        shutil.copy2(source, destination)


def swap(new: Path, live: Path) -> None:
    """Put `new` in the place of `live` in one step; what was there, if anything, is then where `new` was.

    Raises:
        MissingError: The filesystem cannot do that.
        OSError: It refuses.
    """
    flags = _RENAME_EXCHANGE if live.exists() else _RENAME_NOREPLACE
    # renameat2(2), which Python does not wrap; glibc has it since 2.28.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(live), flags) == 0:
        return
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):  # EXDEV: a directory in the lower layer of an overlay
        raise MissingError(
            f"{live.parent}: this filesystem cannot exchange two directories atomically, so a server could "
            "see a half-written model; export to a local disk (ext4, xfs, btrfs, tmpfs) and copy from there"
        )
    raise OSError(number, os.strerror(number), str(live))


def swap_all(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Swap each pair of a new and a live directory; if one cannot be, none is."""
    done: list[tuple[Path, Path]] = []
    try:
        for new, live in pairs:
            swap(new, live)
            done.append((new, live))
    except BaseException:
        for new, live in reversed(done):
            swap(live, new)
        raise


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


def write_errors(root: Path) -> AbstractContextManager[None]:
    """`disk_errors` of a block that writes to the repository `root`."""
    return disk_errors(f"cannot write to the repository {root}")
