"""The ordered steps of an export: weights, network, artifacts, verification, configuration, publication."""

import importlib
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from torch import nn

from tritonrepo.client.errors import MissingError, TritonRepoError
from tritonrepo.client.install import install_command
from tritonrepo.export import models, photographs, verify
from tritonrepo.export.blame import gist
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.options import Options, Watcher
from tritonrepo.export.outcome import Build, Outcome
from tritonrepo.export.verify import Reference, Runner
from tritonrepo.repository import config
from tritonrepo.repository.files import disk_errors
from tritonrepo.repository.formats import TENSORRT, Format
from tritonrepo.repository.manifest import Artifact, EngineFacts, Manifest, Weights
from tritonrepo.repository.publish import Candidate, Repository, open_repository
from tritonrepo.repository.spec import ModelSpec

LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy", "pillow", "triton-repository-builder")
"""Recorded in the manifest, as far as they are installed."""


def build(options: Options, watcher: Watcher | None = None) -> Build:
    """Export, verify and publish.

    A format that fails is in the result's outcomes, and keeps all from publication.

    Args:
        options: What to export, and where to.
        watcher: Is told of the steps. None: nobody is.

    Raises:
        TritonRepoError: Whatever concerns the export as a whole.
    """
    # PyTorch then takes huge pages for large tensors; without, a batch of 64 spends as long in the kernel as computing.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    watcher = watcher or Watcher()
    converters = [(format, _converter(format)) for format in options.formats]
    with (
        disk_errors("the disk refuses"),
        open_repository(options.repository, options.staging, watcher.notice) as repository,
    ):
        module, spec, weights, expected = _prepare(options, repository, watcher)
        made = []
        for format, converter in converters:
            watcher.step(f"{format.name}: convert and verify")
            artifact = repository.workspace(f"{spec.name}_{format.name}") / format.filename
            with watcher.silence():
                made.append((_make(format, converter, module, spec, artifact, expected, options), artifact))
        outcomes = tuple(outcome for outcome, _ in made)
        if not any(outcome.failed for outcome in outcomes):
            watcher.step("publish")
            outcomes = _publish(repository, made, spec, weights, options)
        return Build(spec, weights, outcomes)


def _converter(format: Format) -> ModuleType:
    try:
        converter = importlib.import_module(f"tritonrepo.export.to_{format.name}")
    except ModuleNotFoundError as exc:
        raise MissingError(
            f"{format.name}: the package {exc.name} is not installed: {install_command('export')}"
        ) from exc
    if format is TENSORRT:
        converter.find_tensorrt()  # raises before the long steps where nothing can compile an engine
    return converter


def _prepare(
    options: Options, repository: Repository, watcher: Watcher
) -> tuple[nn.Module, ModelSpec, Weights, Reference]:
    """Everything that the formats share. Whatever can be refused at once is refused before the long steps."""
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


def _make(
    format: Format,
    converter: ModuleType,
    module: nn.Module,
    spec: ModelSpec,
    artifact: Path,
    expected: Reference,
    options: Options,
) -> Outcome:
    """Convert and verify: the gate that nothing passes unverified."""
    started = time.perf_counter()
    outcome = Outcome(format)
    try:
        outcome = replace(outcome, engine=_convert(converter, module, spec, format, artifact, options))
        outcome = replace(outcome, size=artifact.stat().st_size)
        run = _load(converter.load, artifact, format)
        verification = verify.verify(run, expected, verify.TOLERANCES[format.precision], format.name)
        outcome = replace(outcome, verification=verification)
    except TritonRepoError as exc:
        outcome = replace(outcome, error=exc)
    return replace(outcome, seconds=time.perf_counter() - started)


def _convert(
    converter: ModuleType, module: nn.Module, spec: ModelSpec, format: Format, artifact: Path, options: Options
) -> EngineFacts | None:
    """Write the artifact; returns what the manifest is to say of it."""
    if format is TENSORRT:
        facts: EngineFacts = converter.convert(
            module, spec.image_shape, artifact, options.serving.profile, options.engine
        )
        return facts
    converter.convert(module, spec.image_shape, artifact)
    return None


def _load(load: Callable[[Path], Runner], artifact: Path, format: Format) -> Runner:
    try:
        return load(artifact)
    except (TritonRepoError, OSError):
        raise
    except Exception as exc:  # each runtime has its own root of errors
        raise VerificationError(f"{format.name}: its own runtime cannot load it: {gist(exc)}") from exc


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
