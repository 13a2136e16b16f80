"""The ordered steps of an export: weights, network, artifacts, verification, configuration, publication."""

import importlib
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tritonrepo.client.errors import MissingError, TritonRepoError
from tritonrepo.client.install import install_command
from tritonrepo.export import subject
from tritonrepo.export.gate import half
from tritonrepo.export.gate.fresh import FreshProcess
from tritonrepo.export.gate.tolerance import TOLERANCES
from tritonrepo.export.gate.verify import verify
from tritonrepo.export.options import Options, Watcher
from tritonrepo.export.outcome import Build, Outcome
from tritonrepo.export.publication import publish
from tritonrepo.export.subject import Subject
from tritonrepo.repository.files import disk_errors
from tritonrepo.repository.formats import TENSORRT, Format
from tritonrepo.repository.manifest import EngineFacts
from tritonrepo.repository.publish import open_repository


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
    names = [format.name for format in options.formats]
    with (
        disk_errors("the disk refuses"),
        open_repository(options.repository, options.staging, watcher.notice) as repository,
    ):
        with ThreadPoolExecutor(1, "verify") as verifier, FreshProcess(names) as process:
            found = subject.prepare(options, repository, watcher)
            artifacts, pending = [], []
            for format, converter in converters:
                watcher.step(f"{format.name}: convert")
                artifacts.append(repository.workspace(f"{found.spec.name}_{format.name}") / format.filename)
                with watcher.silence():
                    outcome = _convert(format, converter, found, artifacts[-1], options)
                # Conversions are Python on one core; an artifact runs on the others meanwhile.
                pending.append(verifier.submit(_verify, outcome, converter, found, artifacts[-1], process))
            watcher.step("verify: every artifact in a fresh process")
            outcomes = _collect(pending)
        if not any(outcome.failed for outcome in outcomes):
            watcher.step("publish")
            made = list(zip(outcomes, artifacts, strict=True))
            outcomes = publish(repository, made, found.spec, found.weights, options)
        return Build(found.spec, found.weights, outcomes)


def _collect(pending: list[Future[Outcome]]) -> tuple[Outcome, ...]:
    return tuple(future.result() for future in pending)


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


def _convert(format: Format, converter: ModuleType, found: Subject, artifact: Path, options: Options) -> Outcome:
    """Write the artifact, and for FP16 see first what the module itself gives."""

    def make() -> Outcome:
        eager = half.prove(found.module, found.expected, format.name) if format.precision == "FP16" else None
        engine = _call(converter, found, format, artifact, options)
        return Outcome(format, artifact.stat().st_size, engine=engine, eager_fp16=eager)

    return _timed(Outcome(format), make)


def _call(
    converter: ModuleType, found: Subject, format: Format, artifact: Path, options: Options
) -> EngineFacts | None:
    """Write the artifact; returns what the manifest is to say of it."""
    if format is TENSORRT:
        facts: EngineFacts = converter.convert(
            found.module, found.spec.image_shape, artifact, options.serving.profile, options.engine
        )
        return facts
    converter.convert(found.module, found.spec.image_shape, artifact)
    return None


def _verify(outcome: Outcome, converter: ModuleType, found: Subject, artifact: Path, process: FreshProcess) -> Outcome:
    """The gate that nothing passes unverified."""
    if outcome.error is not None:
        return outcome

    def judge() -> Outcome:
        name = outcome.format.name
        run = process.load(name, artifact)
        measured = verify(run, found.expected, TOLERANCES[outcome.format.precision], name, converter.RUNTIME)
        return replace(outcome, verification=replace(measured, eager_fp16=outcome.eager_fp16))

    return _timed(outcome, judge)


def _timed(before: Outcome, act: Callable[[], Outcome]) -> Outcome:
    """What an action makes of an outcome, its error included, with the time that it took added."""
    started = time.perf_counter()
    try:
        after = act()
    except TritonRepoError as exc:
        after = replace(before, error=exc)
    return replace(after, seconds=before.seconds + time.perf_counter() - started)
