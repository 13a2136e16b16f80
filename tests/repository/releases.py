"""Releases of a model whose artifact is a few bytes."""

from pathlib import Path

from tests.repository.manifests import manifest_of
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.publish import Publication, Repository, open_repository

NAME = "net_onnx"


def candidate(repository: Repository, content: bytes, config: str = "config 1\n", name: str = NAME) -> Candidate:
    artifact = repository.workspace(name) / "model.onnx"
    artifact.write_bytes(content)
    return Candidate(name, artifact, config, ("a", "b"), manifest_of(artifact))


def release(models: Path, content: bytes, config: str = "config 1\n", keep: int = 2) -> Publication:
    with open_repository(models) as repository:
        (publication,) = repository.publish([candidate(repository, content, config)], keep)
    return publication


def contents(models: Path) -> dict[str, bytes]:
    return {str(path.relative_to(models)): path.read_bytes() for path in sorted(models.rglob("*")) if path.is_file()}
