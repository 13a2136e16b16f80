"""The only writer of a model repository: stage beside it, sync, then swap a whole model directory in one step.

A running server may read the repository at any instant. Therefore a model directory is never changed in place: the
next one (new configuration, new version, hard links to the versions that are kept) is built in a staging directory
*beside* the repository, since Triton would take anything inside it for a model, and exchanged with the live one by
`renameat2(RENAME_EXCHANGE)`, which is atomic. A process killed at any moment leaves the old model or the new one,
and rubbish only in the staging directory, which the next export clears.
"""

import ctypes
import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritonrepo.client.errors import MissingError, TritonRepoError, UsageError
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import (
    CONFIG_FILENAME,
    LABELS_FILENAME,
    LARGEST_VERSION,
    MANIFEST_FILENAME,
    version_numbers,
)

DEFAULT_KEEP = 2

_WORKSPACE = re.compile(r"\d+-.*")

_RENAME_NOREPLACE = 1  # linux/fs.h
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


@dataclass(frozen=True)
class Candidate:
    """A verified artifact, ready to become a version."""

    name: str
    """`<model>_<format>`."""
    artifact: Path
    """In the staging directory, under its final file name."""
    config: str
    labels: tuple[str, ...]
    manifest: dict[str, Any]
    """Without the artifact's own SHA-256 and size, which are added here."""


@dataclass(frozen=True)
class Publication:
    """What `publish` did."""

    version: int
    status: str
    """`published`, `unchanged`, or `reconfigured` (the same artifact under a new configuration)."""
    pruned: tuple[int, ...] = ()


class Repository:
    """A model repository open for writing; get one from `open_repository`."""

    def __init__(self, root: Path, staging: Path) -> None:
        self.root = root
        self.staging = staging
        self._serial = 0

    def workspace(self, name: str) -> Path:
        """A new directory on the repository's filesystem, out of every server's sight, for the artifact of a model."""
        self._serial += 1
        path = self.staging / f"{self._serial}-{name}"
        path.mkdir()
        return path

    def check(self, name: str) -> None:
        """Raise `PublishError` unless a version can be added to the model `name`; cheap, so done before long work."""
        live = self.root / name
        if live.is_symlink() or (live.exists() and not live.is_dir()):
            raise PublishError(f"{live}: is not a directory; move it away, then export again")
        if live.exists() and not _published(live):
            raise PublishError(f"{live}: was not made by this exporter (no version has a manifest); move it away first")
        if version_numbers(live)[-1:] >= [LARGEST_VERSION]:
            raise PublishError(f"{live}: holds version {version_numbers(live)[-1]}, and Triton cannot count further")

    def publish(self, candidates: Sequence[Candidate], keep: int = DEFAULT_KEEP) -> list[Publication]:
        """Make each candidate the newest version of its model, and prune what we published beyond `keep` versions.

        All are staged before the first goes live. The same artifact again makes no new version; a changed
        configuration or label file replaces the old one.

        Raises `PublishError` if a model's directory cannot be ours, `MissingError` if the disk refuses.
        """
        with _disk_errors(self.root):
            staged = [self._stage(candidate, keep) for candidate in candidates]
            for following, _ in staged:
                if following is not None:
                    self._swap(following, self.root / following.name)
        return [publication for _, publication in staged]

    def roll_back(self, name: str) -> int:
        """Withdraw the newest version of a model and give the one before it its configuration back.

        Returns the version that is now the newest. Raises `PublishError` if the newest was not made by this exporter,
        or there is none before it.
        """
        live = self.root / name
        self.check(name)
        versions = version_numbers(live)
        if len(versions) < 2:
            raise PublishError(f"{live}: holds {len(versions)} version(s); a rollback needs an older one to go back to")
        if versions[-1] not in _published(live):
            raise PublishError(f"{live}: version {versions[-1]} has no manifest, so it is not ours to withdraw")
        with _disk_errors(self.root):
            following = self._follow(live, name)
            shutil.rmtree(following / str(versions[-1]))
            for filename in (CONFIG_FILENAME, LABELS_FILENAME):
                kept = following / str(versions[-2]) / filename
                if kept.exists():
                    _write(following / filename, kept.read_text(encoding="utf-8"))
            self._swap(following, live)
        return versions[-2]

    def _stage(self, candidate: Candidate, keep: int) -> tuple[Path | None, Publication]:
        """The successor of the model's directory, or None where nothing changes; and what publishing it will do."""
        self.check(candidate.name)
        live = self.root / candidate.name
        newest = max(version_numbers(live), default=0)
        digest = sha256(candidate.artifact)
        same_artifact = newest > 0 and _digest_of(live / str(newest), candidate.artifact.name) == digest
        files = {CONFIG_FILENAME: candidate.config, LABELS_FILENAME: "".join(f"{x}\n" for x in candidate.labels)}
        if same_artifact and all(_text(live / name) == text for name, text in files.items()):
            return None, Publication(newest, "unchanged")

        following = self._follow(live, candidate.name)
        version = newest if same_artifact else newest + 1
        directory = following / str(version)
        if not same_artifact:
            directory.mkdir()
            _sync(candidate.artifact)
            os.link(candidate.artifact, directory / candidate.artifact.name)
            manifest = {**candidate.manifest, "artifact": _describe(candidate.artifact, digest)}
            _write(directory / MANIFEST_FILENAME, json.dumps(manifest, indent=2) + "\n")
        for name, text in files.items():
            _write(following / name, text)
            _write(directory / name, text)  # for `roll_back`
        pruned = _prune(following, keep)
        return following, Publication(version, "reconfigured" if same_artifact else "published", pruned)

    def _follow(self, live: Path, name: str) -> Path:
        """A staged successor of the live model directory: everything in it, by hard links."""
        following = self.workspace(name) / name
        if live.exists():
            shutil.copytree(live, following, copy_function=_link, symlinks=True)
        else:
            following.mkdir()
        return following

    def _swap(self, following: Path, live: Path) -> None:
        for directory, _, _ in os.walk(following, topdown=False):
            _sync(Path(directory))
        _rename(following, live, _RENAME_EXCHANGE if live.exists() else _RENAME_NOREPLACE)
        _sync(self.root)
        shutil.rmtree(following.parent)


@contextmanager
def open_repository(
    root: Path, staging: Path | None = None, waiting: Callable[[str], None] = lambda _: None
) -> Iterator[Repository]:
    """Open `root`, made if it does not exist, for one writer at a time.

    A second writer waits for the first, after saying so through `waiting`. Artifacts are staged in `.<name>.staging`,
    in the directory `staging`, by default that of the repository; it must be on the same filesystem and outside the
    repository. Whatever a killed export left there is removed.

    Raises `UsageError` if a path cannot be what it is to be, `MissingError` if it cannot be written.
    """
    root = root.resolve()
    place = (staging or root.parent).resolve()
    if place.is_relative_to(root):
        raise UsageError(f"--staging {place}: lies inside the repository {root}; Triton would take it for a model")
    for path, option in ((root, "--repository"), (place, "--staging")):
        if path.exists() and not path.is_dir():
            raise UsageError(f"{option} {path}: is not a directory")
    private = place / f".{root.name}.staging"
    with _disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        place.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied", str(root))
        if root.stat().st_dev != place.stat().st_dev:
            raise MissingError(
                f"{place} and {root} are on different filesystems, so nothing can be renamed from one to the other; "
                "pass --staging DIR on the repository's filesystem (in a container, mount the directory above both)"
            )
        private.mkdir(exist_ok=True)
    with _locked(root, waiting), _locked(private, waiting):
        with _disk_errors(root):
            _clear(private)
        try:
            yield Repository(root, private)
        finally:
            _clear(private)


@contextmanager
def _locked(directory: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the directory's own lock: it needs no file, and ends with the process, however that ends."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting(f"another export holds {directory}; waiting for it to end")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _published(model: Path) -> list[int]:
    """The versions that have our manifest."""
    return [number for number in version_numbers(model) if (model / str(number) / MANIFEST_FILENAME).exists()]


def _clear(staging: Path) -> None:
    for path in staging.iterdir():
        if _WORKSPACE.fullmatch(path.name) and path.is_dir():
            shutil.rmtree(path)


def _prune(model: Path, keep: int) -> tuple[int, ...]:
    """Remove the oldest of the versions that have our manifest; a version put there by hand is not ours to remove."""
    pruned = tuple(_published(model)[:-keep])
    for number in pruned:
        shutil.rmtree(model / str(number))
    return pruned


def _digest_of(version: Path, filename: str) -> str | None:
    artifact = version / filename
    return sha256(artifact) if artifact.is_file() else None


def _describe(artifact: Path, digest: str) -> dict[str, object]:
    return {"file": artifact.name, "sha256": digest, "bytes": artifact.stat().st_size}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        shutil.copy2(source, destination)


def _write(path: Path, text: str) -> None:
    """Write a new file and sync it. A hard link that stands there is replaced, never written through."""
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(source: Path, destination: Path, flags: int) -> None:
    """renameat2(2), which Python does not wrap."""
    libc = ctypes.CDLL(None, use_errno=True)  # glibc 2.28 or newer
    if libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(destination), flags) == 0:
        return
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):  # EXDEV: a directory in the lower layer of an overlay
        raise MissingError(
            f"{destination.parent}: this filesystem cannot exchange two directories atomically, so a server could "
            "see a half-written model; export to a local disk (ext4, xfs, btrfs, tmpfs) and copy from there"
        )
    raise OSError(number, os.strerror(number), str(destination))


@contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except TritonRepoError:
        raise
    except OSError as exc:
        raise MissingError(
            f"cannot write to the repository {root}: {exc.strerror or exc} ({exc.filename or root}). "
            "Every model in it is whole; free space or mend the permissions, then export again"
        ) from exc
