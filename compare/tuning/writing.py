"""The one thing that tuning changes: a new version of the model, with the configuration that won."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tritonrepo.compare.tuning.knobs import with_knobs
from tritonrepo.compare.tuning.space import Arm
from tritonrepo.compare.tuning.subjects import Subject
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.config import to_text
from tritonrepo.repository.encoded import Encoded, fetch_code, find_followers
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.files import disk_errors
from tritonrepo.repository.labels import from_text
from tritonrepo.repository.layout import (
    LABELS_FILENAME,
    LARGEST_VERSION,
    read_config,
)
from tritonrepo.repository.publish import Repository, open_repository
from tritonrepo.repository.tuning import Tuning


def write(
    subject: Subject,
    arm: Arm,
    tuning: Tuning,
    staging: Path | None = None,
    waiting: Callable[[str], None] = lambda what: None,
) -> int:
    """Publish the version that the subject has, under the knobs of the arm; ensembles on it follow.

    Args:
        subject: As it was measured.
        arm: The winner.
        tuning: How it won.
        staging: As of `open_repository`.
        waiting: Is told when another writer is waited for.

    Returns:
        The number of the new version.

    Raises:
        PublishError: The model was changed meanwhile, so that the measurement is not of it.
        TritonRepoError: As the repository's writer raises it.
    """
    root = subject.directory.parent
    with open_repository(root, staging, waiting) as repository:
        if read_config(subject.directory) != subject.config:
            raise PublishError(
                f"{subject.directory}: was changed while its configurations were measured, so nothing is written; "
                "tune again"
            )
        candidate, followers = _candidate(subject, arm, tuning), _followers(repository, subject.name)
        publications = repository.publish([candidate], LARGEST_VERSION, followers)
    return publications[0].version


def _candidate(subject: Subject, arm: Arm, tuning: Tuning) -> Candidate:
    version = subject.directory / str(subject.version)
    with disk_errors(f"cannot read {version}"):
        path = _first(version / LABELS_FILENAME, subject.directory / LABELS_FILENAME)
        labels = from_text(path.read_text(encoding="utf-8"))
    artifact, manifest = version / subject.manifest.artifact.file, replace(subject.manifest, tuning=tuning)
    config = to_text(with_knobs(subject.config, arm.knobs))
    return Candidate(subject.name, artifact, config, labels, manifest, tree=version)


def _first(*paths: Path) -> Path:
    return next((path for path in paths if path.exists()), paths[-1])


def _followers(repository: Repository, name: str) -> list[Encoded]:
    """The ensembles that stand on the model: each names a version of it."""
    store = repository.store
    found = find_followers(store, name)
    return [Encoded(one, name, fetch_code(store, one, repository.workspace(one))) for one in found]
