"""The ordered steps of an export: weights, network, artifacts, verification, configuration, publication."""

import importlib
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from tritonrepo.client.errors import MissingError, TritonRepoError
from tritonrepo.export import models, photographs, verify
from tritonrepo.export.errors import NotPublishableError, VerificationError
from tritonrepo.export.ngc import Progress
from tritonrepo.export.verify import Reference, Runner, Verification
from tritonrepo.repository import config, publish
from tritonrepo.repository.config import EngineOptions, Serving
from tritonrepo.repository.formats import TENSORRT, Format
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.publish import Candidate, Publication, Repository
from tritonrepo.repository.spec import ModelSpec

LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy", "pillow", "triton-repository-builder")
"""Recorded in the manifest, as far as they are installed."""


@dataclass(frozen=True)
class Options:
    """What `python -m export` was asked to do."""

    model: str
    weights: str | None
    formats: tuple[Format, ...]
    repository: Path
    serving: Serving = field(default_factory=Serving)
    labels: Path | None = None
    name: str | None = None
    images: Path | None = None
    keep: int = publish.DEFAULT_KEEP
    staging: Path | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)


@dataclass(frozen=True)
class Watcher:
    """How the steps tell what they do: `notice` takes a sentence, `step` what begins, `progress` a download's bytes."""

    notice: Callable[[str], None] = lambda _: None
    step: Callable[[str], None] = lambda _: None
    progress: Progress = lambda _, __: None


@dataclass(frozen=True)
class Outcome:
    """What became of one format."""

    format: Format
    size: int | None = None
    """Of the artifact, in bytes."""
    seconds: float = 0.0
    """Conversion and verification together."""
    facts: dict[str, object] = field(default_factory=dict)
    """What the converter says of the artifact, for the manifest."""
    verification: Verification | None = None
    publication: Publication | None = None
    error: TritonRepoError | None = None

    @property
    def failed(self) -> bool:
        return self.error is not None and not isinstance(self.error, NotPublishableError)


@dataclass(frozen=True)
class Build:
    """What became of an export. Nothing was published unless every format that can be verified here passed the gate."""

    spec: ModelSpec
    weights: Weights
    outcomes: tuple[Outcome, ...]

    @property
    def errors(self) -> tuple[TritonRepoError, ...]:
        return tuple(outcome.error for outcome in self.outcomes if outcome.error is not None and outcome.failed)

    @property
    def exit_status(self) -> int:
        """That of the worst error; 3 if nothing that was asked for can be published here; else 0."""
        if all(isinstance(outcome.error, NotPublishableError) for outcome in self.outcomes):
            return NotPublishableError.exit_status
        return max((error.exit_status for error in self.errors), default=0)


def build(options: Options, watcher: Watcher) -> Build:
    """Export, verify and publish. A format that fails is in the result's outcomes, and keeps all from publication.

    Raises `TritonRepoError` for whatever concerns the export as a whole.
    """
    # PyTorch then takes huge pages for large tensors; without, a batch of 64 spends as long in the kernel as computing.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    converters = {format.name: _converter(format) for format in options.formats}
    with publish.open_repository(options.repository, options.staging, watcher.notice) as repository:
        module, spec, weights, expected = _prepare(options, repository, watcher)
        made = []
        for format in options.formats:
            watcher.step(f"{format.name}: convert and verify")
            workspace = repository.workspace(f"{spec.name}_{format.name}")
            artifact = workspace / format.filename
            convert = partial(_convert, converters[format.name], module, spec, format, artifact, options)
            made.append((_make(format, artifact, convert, converters[format.name].load, expected), artifact))
        if not any(outcome.failed for outcome, _ in made):
            watcher.step("publish")
            return Build(spec, weights, _publish(repository, made, spec, weights, options))
        return Build(spec, weights, tuple(outcome for outcome, _ in made))


def _converter(format: Format) -> ModuleType:
    try:
        converter = importlib.import_module(f"tritonrepo.export.to_{format.name}")
    except ModuleNotFoundError as exc:
        raise MissingError(
            f"{format.name}: the package {exc.name} is not installed; pip install '.[export]' brings it"
        ) from exc
    if format is TENSORRT:
        converter.find_tensorrt()  # raises before the long steps where nothing can compile an engine
    return converter


def _prepare(
    options: Options, repository: Repository, watcher: Watcher
) -> tuple[nn.Module, ModelSpec, Weights, Reference]:
    """Everything that the formats share. What can be refused at once is looked at before the long steps."""
    labels = None if options.labels is None else models.read_labels(options.labels)
    paths = photographs.find(options.images)
    if options.name is not None:
        ModelSpec(options.name)
    watcher.step("network and weights")
    module, spec, weights = models.load(options.model, options.weights, watcher.progress, watcher.notice)
    if options.name is not None:
        spec = replace(spec, name=options.name)
    for format in options.formats:
        repository.check(f"{spec.name}_{format.name}")
    watcher.step("reference: PyTorch on the verification photographs")
    size = options.serving.max_batch_size
    expected = verify.reference(module, photographs.batch(paths, spec.preprocessing, size), size)
    return module, models.with_labels(spec, expected.logits.shape[1], labels), weights, expected


def _convert(
    converter: ModuleType, module: nn.Module, spec: ModelSpec, format: Format, artifact: Path, options: Options
) -> dict[str, object]:
    """Write the artifact; returns what the manifest is to say of it."""
    if format is TENSORRT:
        facts: dict[str, object] = converter.convert(
            module, spec.image_shape, artifact, options.serving.profile, options.engine
        )
        return facts
    converter.convert(module, spec.image_shape, artifact)
    return {}


def _make(
    format: Format,
    artifact: Path,
    convert: Callable[[], dict[str, object]],
    load: Callable[[Path], Runner],
    expected: Reference,
) -> Outcome:
    """Convert and verify: the gate that nothing passes unverified."""
    started = time.perf_counter()
    outcome = Outcome(format)
    try:
        outcome = replace(outcome, facts=convert(), size=artifact.stat().st_size)
        run = _load(load, artifact, format)
        verification = verify.verify(run, expected, verify.TOLERANCES[format.precision], format.name)
        outcome = replace(outcome, verification=verification)
    except TritonRepoError as exc:
        outcome = replace(outcome, error=exc)
    return replace(outcome, seconds=time.perf_counter() - started)


def _load(load: Callable[[Path], Runner], artifact: Path, format: Format) -> Runner:
    try:
        return load(artifact)
    except TritonRepoError:
        raise
    except Exception as exc:  # each runtime has its own root of errors
        raise VerificationError(f"{format.name}: its own runtime cannot load it: {' '.join(str(exc).split())}") from exc


def _publish(
    repository: Repository,
    made: Sequence[tuple[Outcome, Path]],
    spec: ModelSpec,
    weights: Weights,
    options: Options,
) -> tuple[Outcome, ...]:
    """All that was verified; an outcome that cannot be published here stays as it is."""
    verified = [(outcome, artifact) for outcome, artifact in made if outcome.verification is not None]
    candidates = [_candidate(outcome, artifact, spec, weights, options) for outcome, artifact in verified]
    publications = iter(repository.publish(candidates, options.keep))
    return tuple(
        outcome if outcome.verification is None else replace(outcome, publication=next(publications))
        for outcome, _ in made
    )


def _candidate(outcome: Outcome, artifact: Path, spec: ModelSpec, weights: Weights, options: Options) -> Candidate:
    name = f"{spec.name}_{outcome.format.name}"
    configuration = config.model_config(spec, outcome.format, options.serving, weights)
    return Candidate(name, artifact, config.to_text(configuration), spec.labels, _manifest(name, outcome, weights))


def _manifest(name: str, outcome: Outcome, weights: Weights) -> dict[str, Any]:
    assert outcome.verification is not None  # only what passed the gate is published
    return {
        "model": name,
        "format": outcome.format.name,
        "precision": outcome.format.precision,
        "trained": weights.trained,
        "weights": weights.as_dict(),
        "conversion": outcome.facts,
        "verification": outcome.verification.as_dict(),
        "libraries": {"python": platform.python_version(), **_versions(LIBRARIES)},
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
