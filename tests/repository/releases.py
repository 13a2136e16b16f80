"""Releases of a model whose artifact is a few bytes."""

from pathlib import Path

from tests.repository.manifests import manifest_of
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.layout import read_config
from tritonrepo.repository.publish import Publication, Repository, open_repository
from tritonrepo.repository.store.address import Address

NAME = "net_onnx"
FIRST, SECOND = "max_batch_size: 1\n", "max_batch_size: 2\n"
"""Two configurations."""


def candidate(repository: Repository, content: bytes, config: str = FIRST, name: str = NAME) -> Candidate:
    artifact = repository.workspace(name) / "model.onnx"
    artifact.write_bytes(content)
    return Candidate(name, artifact, config, ("a", "b"), manifest_of(artifact))


def release(
    models: Path | Address, content: bytes, config: str = FIRST, keep: int = 2, staging: Path | None = None
) -> Publication:
    with open_repository(models, staging) as repository:
        (publication,) = repository.publish([candidate(repository, content, config)], keep)
    return publication


def served(models: Path, name: str = NAME) -> list[int]:
    """The versions that the record names."""
    return [*read_config(models / name).version_policy.specific.versions]


def largest_batch(models: Path, name: str = NAME) -> int:
    """What tells the configurations apart."""
    return int(read_config(models / name).max_batch_size)


def contents(models: Path) -> dict[str, bytes]:
    return {str(path.relative_to(models)): path.read_bytes() for path in sorted(models.rglob("*")) if path.is_file()}
