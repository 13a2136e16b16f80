"""Locks of directories, which end with the process that holds them, however it ends."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

_WITHOUT_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.ENOLCK)
"""What a filesystem answers that does not lock a directory."""


def lock(directory: Path, file: Path, held: Callable[[], None]) -> int:
    """Lock a directory itself, which needs no file and no right to write.

    NFS locks only what is open for writing, which no directory can be: there a file is locked.

    Args:
        directory: What is locked.
        file: The file, made if need be.
        held: Is called where another process holds it, before that is waited for; what it raises ends the attempt.

    Returns:
        A descriptor; to close it is to give the lock up.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _hold(descriptor, held)
    except OSError as exc:
        if exc.errno not in _WITHOUT_LOCKS:
            raise
    return _hold(os.open(file, os.O_RDWR | os.O_CREAT, 0o644), held)


def _hold(descriptor: int, held: Callable[[], None]) -> int:
    """Lock what a descriptor is of; if that fails, the descriptor is closed."""
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
