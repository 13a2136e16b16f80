"""A repository on a disk: any POSIX filesystem, overlay and NFS included.

It needs one thing of it: a file can be renamed over another. Where a new directory can be renamed into another too, a
version costs no copy; in an overlay of a user's own, or from another filesystem, it cannot.

A polling Triton looks at a model again when a time in its directory has moved on, that of a content or of an inode. It
then compares the record and, of each version that is loaded, the times of its files; a version that comes or goes
beside them it does not load. A hard link to a file counts as a change of it, and so does one that is removed. So none
is made to a file in a version.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256 as sha256_of
from pathlib import Path

from tritonrepo.repository.digest import sha256
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.files import let_all_read, sync, write
from tritonrepo.repository.layout import (
    CONFIG_FILENAME,
    MANIFEST_FILENAME,
    SIGNATURE_FILENAME,
    model_directories,
    version_numbers,
)
from tritonrepo.repository.locks import lock
from tritonrepo.repository.store.seam import BusyError, ConflictError, Record, in_steps

INCOMPLETE = ".incomplete"
"""A file in a version directory that is being copied, or whose writer was killed."""


class LocalStore:
    """A directory. Whoever writes holds its lock; see `open_staging`."""

    copied = False

    def __init__(self, root: Path, scratch: Path | None = None) -> None:
        """Prepare.

        Args:
            root: The repository.
            scratch: A directory out of every server's sight from which files can be renamed into the repository. None:
                there is none.
        """
        self.address = str(root)
        self._root, self._scratch = root, scratch

    def models(self) -> list[str]:
        """See `Store`."""
        return [path.name for path in model_directories(self._root)]

    def versions(self, model: str) -> list[int]:
        """See `Store`."""
        directory = self._directory(model)
        return [number for number in version_numbers(directory) if not (directory / str(number) / INCOMPLETE).exists()]

    def files(self, model: str, version: int) -> dict[str, int]:
        """See `Store`."""
        directory = self._root / model / str(version)
        found = sorted(path for path in directory.rglob("*") if path.is_file())
        return {path.relative_to(directory).as_posix(): path.stat().st_size for path in found}

    def read(self, name: str) -> bytes | None:
        """See `Store`."""
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def checksum(self, name: str) -> str | None:
        """See `Store`. Of the bytes that are on the disk now."""
        path = self._root / name
        return sha256(path) if path.is_file() else None

    def fetch(self, name: str, target: Path) -> None:
        """See `Store`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._root / name, target)

    def add_version(self, model: str, version: int, source: Path) -> None:
        """See `Store`."""
        directory = self._directory(model)
        target = directory / str(version)
        if target.exists() and not (target / INCOMPLETE).exists():
            raise ConflictError(f"{target}: is there already; export again for a number of its own")
        _settle(source)
        shutil.rmtree(target, ignore_errors=True)  # what a killed copy left
        if not _renames(source, target):
            _copy(source, target)
        sync(directory)

    def add_signature(self, model: str, version: int, source: Path) -> None:
        """See `Store`."""
        directory = self._root / model / str(version)
        part = directory / f".{SIGNATURE_FILENAME}.part"
        try:
            write(part, source.read_text(encoding="utf-8"))
            part.replace(directory / SIGNATURE_FILENAME)
        finally:
            part.unlink(missing_ok=True)
        sync(directory)

    def create(self, model: str, version: int, source: Path, text: str) -> Record:
        """See `Store`."""
        directory = self._directory(model)
        if directory.exists() and any(directory.iterdir()):
            raise ConflictError(f"{directory}: is there already; move it away, then export again")
        if self._scratch is not None:
            arriving = self._scratch / model
            arriving.mkdir()
            source.rename(arriving / str(version))
            write(arriving / CONFIG_FILENAME, text)
            _settle(arriving)
            if _renames(arriving, directory):
                sync(self._root)
                return _record(text)
            source = arriving / str(version)
        return in_steps(self, model, version, source, text)

    def remove_version(self, model: str, version: int) -> None:
        """See `Store`."""
        going = self._root / model / str(version)
        if self._scratch is not None:
            away = self._scratch / f"{model}-{version}"
            going = away if _renames(going, away) else going
        _remove(going)

    def remove_model(self, model: str) -> None:
        """See `Store`."""
        (self._root / model / CONFIG_FILENAME).unlink(missing_ok=True)
        shutil.rmtree(self._root / model)

    def record(self, model: str) -> Record | None:
        """See `Store`."""
        path = self._directory(model) / CONFIG_FILENAME
        try:
            return _record(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError as exc:
            raise PublishError(f"{path}: is no text; move it away, then export again") from exc

    def commit(self, model: str, text: str, expected: Record | None) -> Record:
        """See `Store`."""
        if self.record(model) != expected:
            path = self._root / model / CONFIG_FILENAME
            raise ConflictError(f"{path}: was changed by somebody else meanwhile; export again")
        directory = self._root / model
        if not directory.exists():
            directory.mkdir()
            let_all_read(directory)
        self._replace(directory, text)
        return _record(text)

    @contextmanager
    def hold(self, model: str) -> Iterator[None]:
        """See `Store`. The lock of its directory, which ends with the process."""

        def held() -> None:
            raise BusyError(f"{self._root / model}")

        descriptor = lock(self._directory(model), self._root / f".{model}.lock", held)
        try:
            yield
        finally:
            os.close(descriptor)

    def _replace(self, directory: Path, text: str) -> None:
        """Put the text in the place of the record, so that a polling server sees that the time has moved on."""
        before = _newest(directory)
        new = (self._scratch or self._root) / f".{directory.name}.{CONFIG_FILENAME}"
        try:
            write(new, text)
            new.replace(directory / CONFIG_FILENAME)
        finally:
            new.unlink(missing_ok=True)
        if _time(directory) <= before:  # the clock was set back, or the files come from elsewhere
            with suppress(PermissionError):  # it belongs to somebody else
                os.utime(directory, ns=(before + 1, before + 1))
        sync(directory)

    def _directory(self, model: str) -> Path:
        directory = self._root / model
        if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
            raise PublishError(f"{directory}: is not a directory; move it away, then export again")
        return directory


def find_scratch(place: Path, root: Path) -> Path | None:
    """The place, if a file can be renamed from there into the repository; mounts can be in the way."""
    probe = place / "probe"
    probe.touch()
    arrived = root / f".{place.name}.probe"
    try:
        probe.rename(arrived)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        return None
    finally:
        probe.unlink(missing_ok=True)
        arrived.unlink(missing_ok=True)
    return place


def _record(text: str) -> Record:
    return Record(text, sha256_of(text.encode()).hexdigest())


def _settle(root: Path) -> None:
    """Let everybody read a directory and all in it, and wait until it is on the disk."""
    for path in (*root.rglob("*"), root):
        if not path.is_symlink():
            let_all_read(path)
            sync(path)


def _newest(directory: Path) -> int:
    """The newest time in a directory, its own included."""
    return max(map(_time, (directory, *directory.rglob("*"))))


def _time(path: Path) -> int:
    """When Triton says that a path was changed, in nanoseconds."""
    status = path.lstat()
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _renames(source: Path, target: Path) -> bool:
    """Rename a directory; whether that can be done from there to there."""
    try:
        source.rename(target)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    """Copy a version to its place. No record names it yet, and it counts as one when it is whole.

    Nothing but its own number would do: what is beside the versions makes a polling Triton reload the model when it
    changes, and what is beside the models is polled as one.
    """
    target.mkdir()
    (target / INCOMPLETE).touch()
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    _settle(target)
    (target / INCOMPLETE).unlink()
    sync(target)


def _remove(version: Path) -> None:
    for path in version.iterdir():
        if path.name == MANIFEST_FILENAME:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    shutil.rmtree(version)
