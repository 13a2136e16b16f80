"""What is exported: the module with all that is known of it, before there is an artifact."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from tritonrepo.client import label_files
from tritonrepo.client.errors import UsageError
from tritonrepo.export import golden, labels, models, outputs, photographs, pixels
from tritonrepo.export.advice import advise_on_inputs, advise_on_scores
from tritonrepo.export.gate import half, pictures, preparation
from tritonrepo.export.gate.reference import Reference, observe
from tritonrepo.export.gate.scores import EXPLANATIONS
from tritonrepo.export.golden import Samples
from tritonrepo.export.int8 import calibration
from tritonrepo.export.int8.calibration import Calibration
from tritonrepo.export.options import DALI, Options, Watcher
from tritonrepo.export.sources.loaded import Loaded
from tritonrepo.repository import encoded_dali
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.publish import Repository
from tritonrepo.repository.spec import ModelSpec


@dataclass(frozen=True)
class Subject:
    """Everything that the formats share.

    Attributes:
        module: In evaluation mode on the CPU, and never called: whoever runs it runs a copy.
        converted: What becomes an artifact: `module`, or that behind the normalisation of pixels.
        spec: Of the model as it is served, with its labels and scores.
        weights: Where its parameters came from.
        expected: What the module gives for the verification pictures.
        samples: What an artifact answers once it is verified, for whoever releases it.
        calibration: For INT8, on what ranges are measured, and what judges.
    """

    module: nn.Module
    converted: nn.Module
    spec: ModelSpec
    weights: Weights
    expected: Reference
    samples: Samples
    calibration: Calibration | None = None


def prepare(options: Options, repository: Repository, watcher: Watcher) -> Subject:
    """Get the module and see what it gives. Whatever can be refused at once is refused before the long steps.

    Raises:
        TritonRepoError: The model or its weights cannot be had, the repository cannot take it, or the module is no
            classifier that agrees with itself.
    """
    given = None if options.labels is None else _labels(options.labels)
    paths = photographs.find(options.images)
    rounds = any(format.precision == "INT8" for format in options.formats)
    chosen = calibration.split(options.calibration, paths) if rounds else None
    loaded = _load(options, paths, repository, watcher)
    module, classes = outputs.choose(loaded.module, loaded.spec.image_shape, options.output, watcher.notice)
    spec = None if classes is None else _named(loaded, classes, given, options, watcher)
    watcher.step("reference: PyTorch on the verification pictures")
    size = options.serving.max_batch_size
    images = pictures.make(paths, loaded.spec.preprocessing, size)
    for sentence in advise_on_inputs(loaded.spec.preprocessing, images):
        watcher.notice(sentence)
    expected = observe(module, images, size, loaded.spec.scores)
    if spec is None or classes != expected.values.shape[1]:
        spec = _named(loaded, expected.values.shape[1], given, options, watcher)
    for sentence in answers(loaded, expected):
        watcher.notice(sentence)
    samples = golden.choose(paths, spec.preprocessing)
    found = Subject(module, module, replace(spec, scores=expected.scores), loaded.weights, expected, samples)
    found = found if options.input == "fp32" else _from_pixels(found, paths)
    return found if chosen is None else replace(found, calibration=_calibration(found, chosen, options, watcher))


def _calibration(
    found: Subject, chosen: tuple[list[Path], list[Path]], options: Options, watcher: Watcher
) -> Calibration:
    """For INT8: pictures as the artifact takes them, and what the network gives for those that judge."""
    scores = found.expected.scores
    preprocessing = found.spec.preprocessing
    return calibration.prepare(found.converted, preprocessing, scores, chosen, options.calibration, watcher.notice)


def _named(
    loaded: Loaded, classes: int, given: tuple[str, ...] | None, options: Options, watcher: Watcher
) -> ModelSpec:
    """The spec with a name for each class; says whose they are. Raises `UsageError`."""
    watcher.notice(f"classes: {classes}, {loaded.origins.classes}")
    spec, sentence = labels.choose(loaded.spec, classes, given, f"--labels {options.labels}", loaded.origins.labels)
    watcher.notice(sentence)
    return spec


def _from_pixels(found: Subject, paths: Sequence[Path]) -> Subject:
    """The same, served with an input of pixels. Raises `VerificationError` if that is not the same network."""
    served = pixels.contract(found.spec.preprocessing)
    converted = pixels.FromPixels(found.module, found.spec.preprocessing)
    inputs = pictures.make(paths, served, len(found.expected.images))
    pixels.check(converted, inputs, found.expected.images)
    return replace(
        found,
        converted=converted,
        spec=replace(found.spec, preprocessing=served),
        expected=replace(found.expected, inputs=inputs),
        samples=golden.choose(paths, served),
    )


def _load(options: Options, paths: Sequence[Path], repository: Repository, watcher: Watcher) -> Loaded:
    """The model under the name that it is served by, with all refused that can be refused without running it."""
    if options.name is not None:
        ModelSpec(options.name)
    watcher.step("network and weights")
    loaded = models.load(options, watcher)
    if options.name is not None:
        loaded = replace(loaded, spec=replace(loaded.spec, name=options.name))
    if (given := loaded.spec.preprocessing).dtype != "FP32":
        raise UsageError(
            f"the preprocessing of {loaded.spec.name} gives {given.layout} {given.dtype}, and a network is shown NCHW "
            "FP32; --input uint8 lets its artifacts take pixels and normalise them"
        )
    if options.encoded == DALI:
        encoded_dali.write_pipeline(loaded.spec.name, loaded.spec.preprocessing, options.serving.max_batch_size)
    for sentence in origins(loaded):
        watcher.notice(sentence)
    _check(loaded, paths, watcher)
    for format in options.formats:
        repository.check(f"{loaded.spec.name}_{format.name}")
        if format.precision == "FP16":
            half.check_weights(loaded.module, format.name)
    return loaded


def _labels(path: Path) -> tuple[str, ...]:
    try:
        return label_files.read(path)
    except UsageError as exc:
        raise UsageError(f"--labels {exc}") from exc


def _check(loaded: Loaded, paths: Sequence[Path], watcher: Watcher) -> None:
    """Whether the source's own preprocessing is the one that it gives."""
    if loaded.transform is None:
        return
    worst = preparation.check(loaded.transform, loaded.spec.preprocessing, paths)
    watcher.notice(
        f"preprocessing: checked against {loaded.transform.name} on {worst.pictures} pictures, which differ by "
        f"{worst.difference:.1g} at most"
    )
    if (apart := preparation.apart_on_tensors(loaded.transform, paths)) is not None:
        watcher.notice(
            f"{loaded.transform.name} resizes tensors instead of pictures by default; the contract is that of its "
            f"resize of pictures, and on photographs the two differ by {apart:.2g} at most"
        )


def origins(loaded: Loaded) -> Iterator[str]:
    """Say what the source gives, and where it came from."""
    weights = loaded.weights
    yield f"preprocessing: {loaded.spec.preprocessing}; from {loaded.origins.preprocessing}"
    yield f"weights: {weights.source}, SHA-256 {weights.sha256[:12]}…" + ("" if weights.trained else ", untrained")


def answers(loaded: Loaded, expected: Reference) -> Iterator[str]:
    """Say what the network answers with, and who says that it is that."""
    if loaded.spec.scores is None and expected.scores == "logits":
        yield from advise_on_scores(expected.values)
    yield f"scores: {expected.scores}, {_why_scores(loaded, expected)}"


def _why_scores(loaded: Loaded, expected: Reference) -> str:
    if loaded.spec.scores is not None:
        return f"as {loaded.origins.scores} says"
    if expected.scores == "logits":
        return "because they are neither probabilities nor their logarithms"
    return (
        f"because {EXPLANATIONS[expected.scores]}; clients show them without another softmax. If that is wrong, say "
        'ModelSpec(..., scores="logits")'
    )
