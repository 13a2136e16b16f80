"""The ordered steps of an export: weights, network, artifacts, verification, configuration, publication."""

import importlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tritonrepo.client.errors import MissingError, TritonRepoError
from tritonrepo.client.install import install_command
from tritonrepo.export import golden, memory, subject
from tritonrepo.export.gate import half, rounding
from tritonrepo.export.gate.fresh import FreshProcess
from tritonrepo.export.gate.verify import Runner, verify
from tritonrepo.export.job import Facts, Job
from tritonrepo.export.options import Options, Watcher
from tritonrepo.export.outcome import Build, Outcome
from tritonrepo.export.publication import publish
from tritonrepo.export.subject import Subject
from tritonrepo.repository.files import disk_errors
from tritonrepo.repository.formats import ONNX, ONNX_FP16, TORCHSCRIPT, Format
from tritonrepo.repository.manifest import Verification
from tritonrepo.repository.on_openvino import ACCELERATOR as OPENVINO
from tritonrepo.repository.publish import Repository, open_repository
from tritonrepo.repository.tolerance import TOLERANCES

DEPRECATED = (
    "torchscript: PyTorch calls TorchScript deprecated, and Triton's pytorch backend goes on serving it; what comes "
    "after it is the format pt2"
)


def build(options: Options, watcher: Watcher | None = None) -> Build:
    """Export, verify and publish.

    A format that fails is in the result's outcomes, and keeps all from publication.

    Args:
        options: What to export, and where to.
        watcher: Is told of the steps. None: nobody is.

    Raises:
        TritonRepoError: Whatever concerns the export as a whole.
    """
    memory.use_huge_pages()
    watcher = watcher or Watcher()
    for format in options.formats:
        if hasattr(converter := _converter(format), "require"):
            converter.require(options)
    if TORCHSCRIPT in options.formats:
        watcher.notice(DEPRECATED)
    with (
        disk_errors(f"cannot export to {options.repository}"),
        open_repository(options.repository, options.staging, watcher.notice) as repository,
    ):
        with FreshProcess([format.name for format in options.formats]) as process:
            found = subject.prepare(options, repository, watcher)
            made = make(found, options, repository, process, watcher)
        outcomes = tuple(outcome for outcome, _ in made)
        if any(outcome.failed for outcome in outcomes):
            return Build(found.spec, found.weights, outcomes)
        watcher.step("publish")
        published = publish(repository, made, found.spec, found.weights, options, watcher.notice)
        return Build(found.spec, found.weights, *published)


def make(
    found: Subject, options: Options, repository: Repository, process: FreshProcess, watcher: Watcher
) -> list[tuple[Outcome, Path]]:
    """Convert the module to each format and verify the artifacts.

    Conversions are Python on one core, so an artifact is run beside the next conversion.

    Args:
        found: The module and what it gives.
        options: What to make of it.
        repository: Gives a place for each artifact.
        process: Runs the artifacts.
        watcher: Is told of the steps.

    Returns:
        What became of each format, and where its artifact is.
    """
    artifacts, pending, graphs = [], [], dict[str, Path]()
    for format in options.formats:
        watcher.step(f"{format.name}: convert")
        artifacts.append(repository.workspace(f"{found.spec.name}_{format.name}") / format.filename)
        job = Job(found.converted, found.spec.image_shape, artifacts[-1], options, found.calibration, graphs)
        with watcher.silence():
            outcome = _convert(format, found, job)
        if outcome.error is None and format in (ONNX, ONNX_FP16):
            graphs[format.precision] = artifacts[-1]
        pending.append(process.later(_verify, outcome, found, artifacts[-1], options, process))
    watcher.step("verify: every artifact in a fresh process")
    return [(future.result(), artifact) for future, artifact in zip(pending, artifacts, strict=True)]


def _converter(format: Format) -> ModuleType:
    try:
        return importlib.import_module(f"tritonrepo.export.to_{format.name}")
    except ModuleNotFoundError as exc:
        raise MissingError(
            f"{format.name}: the package {exc.name} is not installed: {install_command('export')}"
        ) from exc


def _convert(format: Format, found: Subject, job: Job) -> Outcome:
    """Write the artifact; where the runtime here computes FP16 in FP32, first see what the module itself gives."""

    def make() -> Outcome:
        eager = half.prove(found.module, found.expected, format.name) if format is ONNX_FP16 else None
        facts: Facts = _converter(format).make(job)
        return Outcome(format, job.path.stat().st_size, engine=facts.engine, eager_fp16=eager, rounded=facts.rounded)

    return _timed(Outcome(format), make)


def _verify(outcome: Outcome, found: Subject, artifact: Path, options: Options, process: FreshProcess) -> Outcome:
    """The gate that nothing passes unverified, in the format's runtime and in the accelerator that is to serve it."""
    if outcome.error is not None:
        return outcome

    def judge() -> Outcome:
        name, runtime = outcome.format.name, _converter(outcome.format).RUNTIME
        run = process.load(name, artifact)
        measured = _measure(run, outcome, found, name, runtime)
        if accelerated(outcome.format, options):
            run = process.load(OPENVINO, artifact)
            measured = _measure(run, outcome, found, f"{name} in OpenVINO", "OpenVINO")
        answered = golden.ask(run, found.samples, found.expected, outcome.format.precision)
        return replace(outcome, verification=replace(measured, eager_fp16=outcome.eager_fp16), golden=answered)

    return _timed(outcome, judge)


def _measure(run: Runner, outcome: Outcome, found: Subject, name: str, runtime: str) -> Verification:
    """The artifact in one runtime against the module, by the rules of its precision."""
    if outcome.rounded is None:
        return verify(run, found.expected, TOLERANCES[outcome.format.precision], name, runtime)
    assert found.calibration is not None  # nothing is rounded without
    return rounding.verify(run, found.expected, found.calibration.unseen, outcome.rounded, name, runtime)


def accelerated(format: Format, options: Options) -> bool:
    """Whether OpenVINO is to serve it."""
    return format.backend == "onnxruntime" and options.serving.onnx_accelerator == OPENVINO


def _timed(before: Outcome, act: Callable[[], Outcome]) -> Outcome:
    """What an action makes of an outcome, its error included, with the time that it took added."""
    started = time.perf_counter()
    try:
        after = act()
    except TritonRepoError as exc:
        after = replace(before, error=exc)
    return replace(after, seconds=before.seconds + time.perf_counter() - started)
