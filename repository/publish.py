"""The only writer of a model repository: prepare beside it, sync, then swap a whole model directory in one step.

A running server may read the repository at any instant. Therefore a model directory is never changed in place: the
next one (new configuration, new version, hard links to the versions that are kept) is built in the staging directory
and exchanged with the live one by `renameat2(RENAME_EXCHANGE)`, which is atomic. A process killed at any moment leaves
the old model or the new one, and rubbish only in the staging directory, which the next export clears.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tritonrepo.client.errors import UsageError
from tritonrepo.repository import encoded_dali
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.encoded import (
    DALI_SUFFIX,
    Encoded,
    Part,
    code_of,
    find_followers,
    make_ensemble,
    part_from_text,
    part_of,
    read_part,
)
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.files import let_all_read, link, swap_all, sync, sync_directories, write, write_errors
from tritonrepo.repository.formats import FORMATS
from tritonrepo.repository.layout import (
    CONFIG_FILENAME,
    LABELS_FILENAME,
    LARGEST_VERSION,
    MANIFEST_FILENAME,
    WITHDRAWN_FILENAME,
    version_numbers,
)
from tritonrepo.repository.staging import Staging, open_staging


@dataclass(frozen=True)
class Publication:
    """What `publish` did.

    Attributes:
        version: The number that is now the newest.
        status: `published` or `unchanged`.
        pruned: The versions that were removed.
    """

    version: int
    status: str
    pruned: tuple[int, ...] = ()


class Repository:
    """A model repository open for writing; get one from `open_repository`."""

    def __init__(self, root: Path, staging: Staging) -> None:
        self.root = root
        self._staging = staging

    def workspace(self, name: str) -> Path:
        """A new directory on the repository's filesystem, out of every server's sight, for the artifact of a model."""
        with write_errors(self.root):
            return self._staging.workspace(name)

    def check(self, name: str) -> None:
        """Raise `PublishError` unless a version can be added to the model `name`; cheap, so done before long work."""
        live = self.root / name
        if live.is_symlink() or (live.exists() and not live.is_dir()):
            raise PublishError(f"{live}: is not a directory; move it away, then export again")
        if live.exists() and not _published(live):
            raise PublishError(f"{live}: was not made by this exporter (no version has a manifest); move it away first")
        if version_numbers(live)[-1:] >= [LARGEST_VERSION]:
            raise PublishError(f"{live}: holds version {version_numbers(live)[-1]}, and Triton cannot count further")

    def publish(self, candidates: Sequence[Candidate], keep: int, encoded: Sequence[Encoded] = ()) -> list[Publication]:
        """Make each candidate the newest version of its model, and prune what we published beyond `keep` versions.

        All are staged before the first goes live. The same artifact under the same configuration and labels makes no
        new version. Any change does: clients hold what they know of a model to its version.

        Args:
            candidates: What is published.
            keep: How many versions of each model.
            encoded: The ensembles that are to stand on what is published.

        Returns:
            What was done for each candidate, then for each ensemble.

        Raises:
            PublishError: A model's directory cannot be ours.
            MissingError: The disk refuses.
        """
        with write_errors(self.root):
            staged = [self._stage(candidate, keep) for candidate in candidates]
            parts = {one.name: (one, done.version) for one, (_, done) in zip(candidates, staged, strict=True)}
            ensembles = []
            for ensemble in encoded:
                one, version = parts[ensemble.part]
                part = part_from_text(one.config, version, one.labels, one.manifest)
                ensembles.append(self._stage_ensemble(ensemble, part, keep))
            pieces = [*staged, *(piece for pieces in ensembles for piece in pieces)]
            self._go_live([following for following, _ in pieces if following is not None])
        return [publication for _, publication in (*staged, *(pieces[-1] for pieces in ensembles))]

    def find_models(self, name: str) -> list[str]:
        """The model of this name or, if there is none, all the formats of `name`.

        Raises:
            UsageError: There is neither.
        """
        plain = Path(name).name == name and name not in ("", "..")
        if plain and (self.root / name).is_dir():
            return [name]
        found = [f"{name}_{format}" for format in FORMATS if plain and (self.root / f"{name}_{format}").is_dir()]
        if not found:
            raise UsageError(
                f"{self.root / name}: no such model; name a directory of the repository, or a model without its format"
            )
        return found

    def roll_back(self, names: Sequence[str]) -> dict[str, int]:
        """Withdraw the newest version of each model, and give the one before it its configuration back: all or none.

        An ensemble that stands on one of them gets a version that stands on the one before.

        Args:
            names: Directories of the repository.

        Returns:
            The version of each that is now the newest.

        Raises:
            PublishError: The newest version of one was not made by this exporter, or there is none before it.
            MissingError: The disk refuses.
        """
        targets = {name: self._earlier(name) for name in names}
        with write_errors(self.root):
            successors = [self._stage_earlier(name, version) for name, version in targets.items()]
            for name, version in targets.items():
                successors += self._stage_followers(name, version)
            self._go_live(successors)
        return targets

    def _stage(self, candidate: Candidate, keep: int) -> tuple[Path | None, Publication]:
        """The successor of the model's directory, or None where nothing changes; and what publishing it will do."""
        return self._stage_next(candidate.name, lambda _: candidate, keep)

    def _stage_next(self, name: str, make: Callable[[int], Candidate], keep: int) -> tuple[Path | None, Publication]:
        """The same of a candidate that knows which version it will be."""
        self.check(name)
        live = self.root / name
        newest = max(version_numbers(live), default=0)
        if newest > 0 and _is_unchanged(live, newest, make(newest)):
            return None, Publication(newest, "unchanged")

        following, version = self._follow(name), max(newest, _withdrawn(live)) + 1
        directory, candidate = following / str(version), make(version)
        _add_version(directory, candidate)
        for name, text in candidate.files.items():
            write(following / name, text)
            write(directory / name, text)  # for `roll_back`
        return following, Publication(version, "published", _prune(following, keep))

    def _stage_ensemble(self, ensemble: Encoded, part: Part, keep: int) -> list[tuple[Path | None, Publication]]:
        """What `_stage` makes of the steps of an ensemble, and last of itself."""
        staged: list[tuple[Path | None, Publication]] = []

        def stage(name: str, make: Callable[[int], Candidate]) -> int:
            staged.append(self._stage_next(name, make, keep))
            return staged[-1][1].version

        make = encoded_dali.make_ensemble if ensemble.name.endswith(DALI_SUFFIX) else make_ensemble
        make(ensemble, part, self._staging.workspace(ensemble.name), stage)
        return staged

    def _stage_followers(self, name: str, version: int) -> list[Path]:
        """The successors of the ensembles on a model, and of their steps, for when this version is the newest."""
        successors: list[Path] = []
        for follower in find_followers(self.root, name):
            code = code_of(self.root / follower, self._staging.workspace(follower))
            part = read_part(self.root / name, version)
            staged = self._stage_ensemble(Encoded(follower, name, code), part, LARGEST_VERSION)
            successors += [following for following, _ in staged if following is not None]
        return successors

    def _earlier(self, name: str) -> int:
        """The version before the newest, if that one is ours to withdraw. Raises `PublishError`."""
        live = self.root / name
        if part := part_of(live):
            raise PublishError(f"{live}: follows {part}; roll that back, and this goes with it")
        self.check(name)
        versions = version_numbers(live)
        if len(versions) < 2:
            raise PublishError(f"{live}: holds {len(versions)} version(s); a rollback needs an older one to go back to")
        if versions[-1] not in _published(live):
            raise PublishError(f"{live}: version {versions[-1]} has no manifest, so it is not ours to withdraw")
        return versions[-2]

    def _stage_earlier(self, name: str, version: int) -> Path:
        """The successor of the model's directory in which `version` is the newest."""
        following = self._follow(name)
        withdrawn = version_numbers(following)[-1]
        shutil.rmtree(following / str(withdrawn))
        write(following / WITHDRAWN_FILENAME, f"{max(withdrawn, _withdrawn(following))}\n")
        for filename in (CONFIG_FILENAME, LABELS_FILENAME):
            if (kept := _text(following / str(version) / filename)) is not None:
                write(following / filename, kept)
        return following

    def _follow(self, name: str) -> Path:
        """A staged successor of the live model directory: everything in it, by hard links."""
        live, following = self.root / name, self._staging.workspace(name) / name
        if live.exists():
            shutil.copytree(live, following, copy_function=link, symlinks=True)
        else:
            following.mkdir()
        let_all_read(following)
        return following

    def _go_live(self, successors: Sequence[Path]) -> None:
        for following in successors:
            sync_directories(following)
        swap_all([(following, self.root / following.name) for following in successors])
        sync(self.root)
        for following in successors:
            shutil.rmtree(following.parent)


@contextmanager
def open_repository(
    root: Path, staging: Path | None = None, waiting: Callable[[str], None] = lambda _: None
) -> Iterator[Repository]:
    """Open `root`, made if it does not exist, for one writer at a time.

    Args:
        root: The model repository.
        staging: Where `.<name>.staging` is made, by default beside the repository; it must be on the same filesystem
            and outside the repository.
        waiting: Is told when another writer is waited for.

    Raises:
        UsageError: A path cannot be what it is to be.
        MissingError: It cannot be written.
    """
    root = root.resolve()
    with open_staging(root, (staging or root.parent).resolve(), waiting) as private:
        yield Repository(root, private)


def _published(model: Path) -> list[int]:
    """The versions that have our manifest."""
    return [number for number in version_numbers(model) if (model / str(number) / MANIFEST_FILENAME).exists()]


def _withdrawn(model: Path) -> int:
    """The largest number that a withdrawn version had, 0 if there is none: it is not given again."""
    text = (_text(model / WITHDRAWN_FILENAME) or "").strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def _is_unchanged(live: Path, newest: int, candidate: Candidate) -> bool:
    same = all(_text(live / name) == text for name, text in candidate.files.items())
    return same and candidate.is_in(live / str(newest))


def _add_version(directory: Path, candidate: Candidate) -> None:
    directory.mkdir()
    for path in (directory, candidate.artifact):
        let_all_read(path)
    sync(candidate.artifact)
    if candidate.tree is None:
        os.link(candidate.artifact, directory / candidate.artifact.name)
    else:
        shutil.copytree(candidate.tree, directory, copy_function=link, dirs_exist_ok=True)
        for path in (directory, *directory.rglob("*")):
            let_all_read(path)
            sync(path)
    write(directory / MANIFEST_FILENAME, candidate.manifest.to_json())


def _prune(model: Path, keep: int) -> tuple[int, ...]:
    """Remove the oldest of the versions that have our manifest; a version put there by hand is not ours to remove."""
    pruned = tuple(_published(model)[:-keep])
    for number in pruned:
        shutil.rmtree(model / str(number))
    return pruned


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
