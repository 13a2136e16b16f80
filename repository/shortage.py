"""Words for what a machine has run out of: where, and what to do."""

import errno
import os
import resource
import shutil
from pathlib import Path

FULL = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "your quota is used up on the disk",
}

SHORTAGES = frozenset({*FULL, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What passes when somebody makes room."""


def explain(error: OSError, place: str | os.PathLike[str] | None = None) -> str:
    """Return an error of the system in words; for a shortage, with the place that is full and what to do.

    Args:
        error: What the system said.
        place: Where it was written; the error itself may name another file, or none.
    """
    if error.errno in FULL:
        full = place or error.filename
        if full is None:
            return f"{FULL[error.errno]}; free some, or choose another directory (or another one for TMPDIR)"
        where = nearest(Path(os.fsdecode(full)).absolute())
        free = shutil.disk_usage(where).free / 1e6
        return f"{FULL[error.errno]} of {where} ({free:,.0f} MB are free); free some, or choose another directory"
    if error.errno == errno.EMFILE:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return f"this process may not open more than {most} files; allow more with: ulimit -n {max(4096, 2 * most)}"
    if error.errno == errno.ENFILE:
        return "all programs together may open no more files; end some, or raise fs.file-max"
    if error.errno == errno.ENOMEM:
        return "no memory is left; end other programs, or allow this one more"
    if error.filename is not None and error.strerror is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def nearest(path: Path) -> Path:
    """Return the path, or the nearest directory above it that exists."""
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))
