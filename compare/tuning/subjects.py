"""What is tuned: the models that a word names, as they stand in a repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.client.contract import FORMAT_PREFERENCE
from tritonrepo.client.encoded import takes_files
from tritonrepo.client.errors import TritonRepoError, UsageError
from tritonrepo.compare.tuning.knobs import THREADS, Knobs, read_knobs
from tritonrepo.repository.errors import ManifestError
from tritonrepo.repository.layout import (
    backend_of,
    read_config,
    served_versions,
    version_numbers,
)
from tritonrepo.repository.manifest import Manifest, read_manifest
from tritonrepo.repository.publish import find_models
from tritonrepo.repository.store.local import LocalStore


@dataclass(frozen=True)
class Subject:
    """One model of the repository, as it is now.

    Attributes:
        directory: Of the model.
        config: What its config.pbtxt says.
        version: The number that a server loads.
        manifest: Of that version.
    """

    directory: Path
    config: ModelConfig
    version: int
    manifest: Manifest

    @property
    def name(self) -> str:
        """`<model>_<format>`."""
        return self.directory.name

    @property
    def knobs(self) -> Knobs:
        """How it is run now."""
        return read_knobs(self.config)


def find_subjects(root: Path, name: str) -> tuple[list[Subject], dict[str, str]]:
    """The model of this name or, if there is none, all its formats, in the order in which clients prefer them.

    Returns:
        What can be tuned, and of the other formats why they cannot.

    Raises:
        UsageError: There is no such model, or it takes image files.
        TritonRepoError: Not one can be tuned; the message says why.
    """
    subjects, left_out = [], {}
    for directory in _find(root, name):
        try:
            subject = _read(directory)
        except TritonRepoError as exc:
            left_out[directory.name] = str(exc)
            if directory.name == name:
                raise
        else:
            subjects.append(subject)
    if not subjects:
        raise UsageError("; ".join(f"{model}: {why}" for model, why in left_out.items()))
    first = subjects[0].manifest.weights.sha256
    for other in [one for one in subjects if one.manifest.weights.sha256 != first]:
        subjects.remove(other)
        left_out[other.name] = f"it was exported from other weights than {subjects[0].name}"
    return subjects, left_out


def _find(root: Path, name: str) -> list[Path]:
    """The directories, the format that clients prefer first."""
    if not root.is_dir():
        raise UsageError(f"{root}: no such model repository")
    if takes_files(name):
        raise UsageError(f"{name} takes image files as they are; tune the model that it stands on")
    found = find_models(LocalStore(root), name)
    return [root / one for one in sorted(found, key=_preference)]


def _preference(model: str) -> int:
    return next(
        (i for i, format in enumerate(FORMAT_PREFERENCE) if model.endswith(f"_{format}")), len(FORMAT_PREFERENCE)
    )


def _read(directory: Path) -> Subject:
    config = read_config(directory)
    if backend_of(config) not in THREADS:
        raise UsageError(f"the embedded Triton has no backend {backend_of(config) or '(none is named)'} to tune it in")
    versions = served_versions(config, version_numbers(directory))
    if not versions:
        raise UsageError(f"{directory} has no version that a server would load")
    read_knobs(config)
    version = directory / str(versions[-1])
    try:
        return Subject(directory, config, versions[-1], read_manifest(version))
    except ManifestError as exc:
        raise UsageError(f"{version}: {exc}; tune takes what an export has made, with its manifest") from exc
