"""The private directory beside a repository in which a writer prepares what it publishes.

Triton would take anything inside a repository for a model, so nothing is prepared there.
"""

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tritonrepo.client.errors import UsageError
from tritonrepo.repository.files import disk_errors, let_all_read, write_errors
from tritonrepo.repository.locks import lock

LOCK_FILENAME = ".lock"
SCRATCH = "tritonrepo-export-"
_WORKSPACE = re.compile(r"\d+-.*")


class Staging:
    """The directory `.NAME.staging` of one writer; get one from `open_staging`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._serial = 0

    def workspace(self, name: str) -> Path:
        """A new directory, out of every server's sight, for the artifact of a model."""
        self._serial += 1
        path = self.path / f"{self._serial}-{name}"
        path.mkdir()
        return path


@contextmanager
def open_staging(root: Path, place: Path, waiting: Callable[[str], None]) -> Iterator[Staging]:
    """Hold the repository `root`, made if it does not exist, and a staging directory in `place`, for one writer.

    A second writer waits for the first, after saying so through `waiting`. What a killed writer left in the staging
    directory is removed at the start; at the end everything is, and the directory itself if it is empty.

    Raises:
        UsageError: A path cannot be what it is to be.
        MissingError: It cannot be written.
    """
    private = place / f".{root.name}.staging"
    _check_paths(root, place, private)
    with write_errors(root):
        _make_both(root, place)
    with _locked(root, waiting), _locked_private(private, waiting):
        with write_errors(root):
            _clear(private)
        try:
            yield Staging(private)
        finally:
            with write_errors(root):
                _clear(private)
            (private / LOCK_FILENAME).unlink(missing_ok=True)
            with suppress(OSError):  # not empty, for the place may be anybody's, and what others put there stays
                private.rmdir()


@contextmanager
def open_scratch(place: Path) -> Iterator[Staging]:
    """A staging directory of its own in `place`, for what goes to an object store; what killed writers left is removed.

    Raises:
        MissingError: It cannot be made or removed.
    """
    with disk_errors(f"cannot stage in {place}"):
        place.mkdir(parents=True, exist_ok=True)
    with held_directory(place, SCRATCH) as private:
        yield Staging(private)


@contextmanager
def held_directory(place: Path, prefix: str) -> Iterator[Path]:
    """A new directory that goes with the block. Those of killed processes, which hold theirs no more, are removed.

    Args:
        place: Where it is made.
        prefix: What the names of all such directories begin with.

    Raises:
        MissingError: It cannot be made or removed.
    """
    with disk_errors(f"cannot make a directory in {place}"):
        _clear_abandoned(place, prefix)
        path, descriptor = _make_held(place, prefix)
    try:
        yield path
    finally:
        with disk_errors(f"cannot clear {path}"):
            shutil.rmtree(path)
        os.close(descriptor)


def _make_held(place: Path, prefix: str) -> tuple[Path, int]:
    """The directory, and what holds it: a shared lock, which NFS gives without the right to write."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        with suppress(FileNotFoundError):  # before it was held, another process took it for an abandoned one
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _is_at(path, descriptor):
                return path, descriptor
            os.close(descriptor)


def _clear_abandoned(place: Path, prefix: str) -> None:
    for path in [path for path in place.iterdir() if path.name.startswith(prefix)]:
        with suppress(OSError):  # it is held, or another user's, or gone
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(descriptor)


def _check_paths(root: Path, place: Path, private: Path) -> None:
    if place.is_relative_to(root):
        raise UsageError(f"--staging {place}: lies inside the repository {root}; Triton would take it for a model")
    for path, option in ((root, "--repository"), (place, "--staging"), (private, "the staging directory")):
        if _is_no_directory(path):
            raise UsageError(f"{option} {path}: is not a directory")


def _is_no_directory(path: Path) -> bool:
    """Whether something else is there: one look, because other writers make and remove the directory meanwhile."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _make_both(root: Path, place: Path) -> None:
    with suppress(FileExistsError):  # another writer may make it at the same time
        root.mkdir(parents=True)
        let_all_read(root)
    place.mkdir(parents=True, exist_ok=True)
    if not os.access(root, os.W_OK):
        raise PermissionError(errno.EACCES, "permission denied", str(root))


@contextmanager
def _locked(directory: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the directory's lock."""
    descriptor = _lock(directory, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _locked_private(private: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Make the staging directory and hold its lock: another repository of the same name may use the same one."""
    descriptor = None
    while descriptor is None:
        descriptor = _make_and_lock(private, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


def _make_and_lock(private: Path, waiting: Callable[[str], None]) -> int | None:
    """The descriptor of the locked directory; None if the writer before has removed it meanwhile."""
    with suppress(FileExistsError):
        private.mkdir()
    try:
        descriptor = _lock(private, waiting)
    except FileNotFoundError:
        return None
    if _is_at(private, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _lock(directory: Path, waiting: Callable[[str], None]) -> int:
    """Lock a directory, or where that cannot be a file in it: Triton passes over files beside the models."""
    held = partial(waiting, f"another export holds {directory}; waiting for it to end")
    return lock(directory, directory / LOCK_FILENAME, held)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the lock that is held is that of the directory which is there now."""
    held = os.fstat(descriptor)
    with suppress(FileNotFoundError):
        return any(os.path.samestat(one.stat(), held) for one in (path, path / LOCK_FILENAME) if one.exists())
    return False


def _clear(private: Path) -> None:
    for path in private.iterdir():
        if _WORKSPACE.fullmatch(path.name) and path.is_dir():
            shutil.rmtree(path)
