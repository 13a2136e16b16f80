"""What was verified, made ready for the repository's writer."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tritonrepo.client.contract import FORMAT_PREFERENCE
from tritonrepo.export.encoded.code import lay_out
from tritonrepo.export.options import DALI, Options
from tritonrepo.export.outcome import Outcome
from tritonrepo.repository import config
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.encoded import DALI_SUFFIX, SUFFIX, Encoded, find_followers
from tritonrepo.repository.layout import GOLDEN_FILENAME
from tritonrepo.repository.manifest import Artifact, Manifest, Weights
from tritonrepo.repository.publish import Publication, Repository
from tritonrepo.repository.spec import ModelSpec

LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy", "pillow", "triton-repository-builder")
"""Recorded in the manifest, as far as they are installed."""


def publish(
    repository: Repository,
    made: Sequence[tuple[Outcome, Path]],
    spec: ModelSpec,
    weights: Weights,
    options: Options,
    notice: Callable[[str], None] = lambda _: None,
) -> tuple[tuple[Outcome, ...], dict[str, Publication]]:
    """Publish or stage all that was verified; an outcome that cannot be published here stays as it is.

    Returns:
        The outcomes, and what was done with each ensemble that takes image files.

    Raises:
        TritonRepoError: As the repository's writer raises it.
    """
    verified = [(outcome, artifact) for outcome, artifact in made if outcome.verification is not None]
    candidates = [_candidate(outcome, artifact, spec, weights, options) for outcome, artifact in verified]
    if options.stage:  # the ensembles follow when a version is released
        ensembles, publications = [], iter(repository.stage(candidates))
    else:
        ensembles = _ensembles(repository, [outcome for outcome, _ in verified], spec, options, notice)
        publications = iter(repository.publish(candidates, options.keep, ensembles, overlap=options.overlap))
    outcomes = tuple(
        outcome if outcome.verification is None else replace(outcome, publication=next(publications))
        for outcome, _ in made
    )
    return outcomes, {f"{one.name} on {one.part}": next(publications) for one in ensembles}


def _ensembles(
    repository: Repository,
    verified: Sequence[Outcome],
    spec: ModelSpec,
    options: Options,
    notice: Callable[[str], None],
) -> list[Encoded]:
    """The ensemble that is asked for, or those that stand on what is published: these name a version of it."""
    formats = [outcome.format.name for outcome in verified]
    parts = {}
    if options.encoded is None:
        names = [f"{spec.name}_{format}" for format in formats]
        parts = {follower: name for name in names for follower in find_followers(repository.store, name)}
    elif formats:
        chosen = min(formats, key=_preference) if options.encoded in ("auto", DALI) else options.encoded
        suffix = DALI_SUFFIX if options.encoded == DALI else SUFFIX
        parts = {f"{spec.name}{suffix}": f"{spec.name}_{chosen}"}
    if all(name.endswith(DALI_SUFFIX) for name in parts):
        return [Encoded(name, part) for name, part in parts.items()]
    code = lay_out(repository.workspace("code"), notice)
    return [Encoded(name, part, code) for name, part in parts.items()]


def _preference(format: str) -> int:
    """Clients' own: the fastest first."""
    return FORMAT_PREFERENCE.index(format) if format in FORMAT_PREFERENCE else len(FORMAT_PREFERENCE)


def _candidate(outcome: Outcome, artifact: Path, spec: ModelSpec, weights: Weights, options: Options) -> Candidate:
    name = f"{spec.name}_{outcome.format.name}"
    configuration = config.to_text(config.model_config(spec, outcome.format, options.serving, weights))
    manifest = _manifest(name, artifact, outcome, weights)
    golden = artifact.with_name(GOLDEN_FILENAME) if manifest.golden else None
    return Candidate(name, artifact, configuration, spec.labels, manifest, golden=golden)


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
        golden=outcome.golden.write(artifact.parent) if outcome.golden else None,
    )


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
