"""Which models of a repository a fleet serves, and what each asks of a pod: from configurations and manifests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from tritonrepo.client.errors import UsageError
from tritonrepo.repository.encoded import DALI_SUFFIX, DECODE, RANK, SUFFIX
from tritonrepo.repository.errors import ManifestError, RepositoryError
from tritonrepo.repository.formats import FORMATS
from tritonrepo.repository.layout import (
    backend_of,
    model_directories,
    read_config,
    served_versions,
    serves_nothing,
    version_numbers,
)
from tritonrepo.repository.manifest import read_manifest
from tritonrepo.repository.store.mirror import mirrored
from tritonrepo.repository.store.seam import Store


@dataclass(frozen=True)
class ServedModel:
    """A model as a fleet serves it.

    Attributes:
        name: Its directory's.
        bytes: Of the artifacts that are loaded at once.
        copies: How many instances a pod has of it.
        needs_gpu: Whether it can run on a GPU alone.
        unreleased: Whether no version of it was released yet.
    """

    name: str
    bytes: int
    copies: int
    needs_gpu: bool
    unreleased: bool = False


@dataclass(frozen=True)
class ModelSet:
    """What a fleet serves.

    Attributes:
        models: At least one, by name.
        whole: Whether that is all that the repository has, now and later.
        left_out: Models that need a GPU, where there is none.
        unreleased: Models of which no version was released yet: a server that is told to load one does not start.
    """

    models: tuple[ServedModel, ...]
    whole: bool
    left_out: tuple[str, ...] = ()
    unreleased: tuple[str, ...] = ()


def choose_stored_models(store: Store, names: Sequence[str], *, gpu: bool) -> ModelSet:
    """As `choose_models`, of an object store. Raises `MissingError` too, if that fails."""
    with mirrored(store) as mirror:
        return choose_models(mirror.root, names, gpu=gpu)


def choose_models(root: Path, names: Sequence[str], *, gpu: bool) -> ModelSet:
    """The models of a repository on this machine that a fleet serves.

    Args:
        root: The repository.
        names: Which models; a model without its format means all its formats, and what takes image files for it. All
            models if there are none.
        gpu: Whether each pod has a GPU.

    Raises:
        UsageError: A name is not there, or needs a GPU.
        RepositoryError: The repository cannot be read, or has nothing to serve.
        ConfigError: A configuration cannot be read.
    """
    found = _read(root)
    chosen = [model for model in found if not names or _is_named(model.name, names)]
    for name in names:
        if not any(_is_named(model.name, [name]) for model in found):
            raise UsageError(f"{root} has no model {name!r}; it has {', '.join(model.name for model in found)}")
    unreleased = tuple(model.name for model in chosen if model.unreleased)
    chosen = [model for model in chosen if not model.unreleased]
    served = tuple(model for model in chosen if gpu or not model.needs_gpu)
    left_out = tuple(model.name for model in chosen if model not in served)
    if missing := [name for name in left_out if name in names]:
        raise UsageError(f"{', '.join(missing)}: needs a GPU; take --profile gpu, or another format")
    if not chosen:
        names = ", ".join(unreleased)
        raise RepositoryError(f"{names}: no version was released yet; release one with: tritonrepo release")
    if not served:
        raise RepositoryError(f"no model in {root} can run without a GPU; take --profile gpu")
    return ModelSet(served, len(served) == len(found), left_out, unreleased)


def _read(root: Path) -> list[ServedModel]:
    if not root.is_dir():
        raise RepositoryError(f"there is no model repository at {root}; make one with: tritonrepo export")
    found = [_read_model(path) for path in model_directories(root)]
    if not found:
        raise RepositoryError(f"the model repository {root} is empty; fill it with: tritonrepo export")
    return found


def _read_model(directory: Path) -> ServedModel:
    config = read_config(directory)
    groups = config.instance_group
    return ServedModel(
        directory.name,
        sum(_size(directory / str(number)) for number in _loaded(directory, config)),
        sum(group.count or 1 for group in groups) or 1,
        _needs_gpu(directory, config),
        serves_nothing(config),
    )


def _needs_gpu(directory: Path, config: ModelConfig) -> bool:
    """Whether it can run on a GPU alone, itself or a step of it."""
    steps = [directory.with_name(step.model_name) for step in config.ensemble_scheduling.step]
    return any(map(_is_for_gpu, (config, *(read_config(step) for step in steps if step.is_dir()))))


def _is_for_gpu(config: ModelConfig) -> bool:
    kinds = [group.kind for group in config.instance_group]
    return backend_of(config) == "tensorrt" or ModelInstanceGroup.KIND_GPU in kinds


def _loaded(directory: Path, config: ModelConfig) -> list[int]:
    """The versions that Triton loads at once."""
    numbers = version_numbers(directory)
    if not numbers:
        raise RepositoryError(f"{directory} has no version; publish one with: tritonrepo export")
    return served_versions(config, numbers)


def _size(version: Path) -> int:
    """Bytes of an artifact by its manifest, or of all files where somebody else wrote the version."""
    try:
        return read_manifest(version).artifact.bytes
    except ManifestError:
        return sum(path.stat().st_size for path in version.rglob("*") if path.is_file())


def _is_named(model: str, names: Sequence[str]) -> bool:
    around = (SUFFIX, SUFFIX + DECODE, SUFFIX + RANK, DALI_SUFFIX, DALI_SUFFIX + DECODE)
    endings = ("", *(f"_{format}" for format in FORMATS), *around)
    return any(model == name + ending for name in names for ending in endings)
