"""What was verified, made ready for the repository's writer."""

import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tritonrepo.export.options import Options
from tritonrepo.export.outcome import Outcome
from tritonrepo.repository import config
from tritonrepo.repository.manifest import Artifact, Manifest, Weights
from tritonrepo.repository.publish import Candidate, Repository
from tritonrepo.repository.spec import ModelSpec

LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy", "pillow", "triton-repository-builder")
"""Recorded in the manifest, as far as they are installed."""


def publish(
    repository: Repository,
    made: Sequence[tuple[Outcome, Path]],
    spec: ModelSpec,
    weights: Weights,
    options: Options,
) -> tuple[Outcome, ...]:
    """Publish all that was verified; an outcome that cannot be published here stays as it is.

    Raises:
        TritonRepoError: As the repository's writer raises it.
    """
    verified = [(outcome, artifact) for outcome, artifact in made if outcome.verification is not None]
    candidates = [_candidate(outcome, artifact, spec, weights, options) for outcome, artifact in verified]
    publications = iter(repository.publish(candidates, options.keep))
    return tuple(
        outcome if outcome.verification is None else replace(outcome, publication=next(publications))
        for outcome, _ in made
    )


def _candidate(outcome: Outcome, artifact: Path, spec: ModelSpec, weights: Weights, options: Options) -> Candidate:
    name = f"{spec.name}_{outcome.format.name}"
    configuration = config.to_text(config.model_config(spec, outcome.format, options.serving, weights))
    return Candidate(name, artifact, configuration, spec.labels, _manifest(name, artifact, outcome, weights))


def _manifest(name: str, artifact: Path, outcome: Outcome, weights: Weights) -> Manifest:
    assert outcome.verification is not None  # only what passed the gate is published
    return Manifest(
        model=name,
        format=outcome.format.name,
        precision=outcome.format.precision,
        artifact=Artifact.of(artifact),
        weights=weights,
        verification=outcome.verification,
        libraries={"python": platform.python_version(), **_versions(LIBRARIES)},
        created=datetime.now(timezone.utc).replace(microsecond=0),
        conversion=outcome.engine,
    )


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
