"""What is exported: the module with all that is known of it, before there is an artifact."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from tritonrepo.export import labels, models, photographs
from tritonrepo.export.advice import advise_on_inputs, advise_on_scores
from tritonrepo.export.gate import pictures, preparation
from tritonrepo.export.gate.reference import Reference, observe
from tritonrepo.export.gate.scores import EXPLANATIONS
from tritonrepo.export.options import Options, Watcher
from tritonrepo.export.sources.loaded import Loaded
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.publish import Repository
from tritonrepo.repository.spec import ModelSpec


@dataclass(frozen=True)
class Subject:
    """Everything that the formats share.

    Attributes:
        module: In evaluation mode on the CPU, and never called: whoever runs it runs a copy.
        spec: Of the model, with its labels and scores.
        weights: Where its parameters came from.
        expected: What the module gives for the verification pictures.
    """

    module: nn.Module
    spec: ModelSpec
    weights: Weights
    expected: Reference


def prepare(options: Options, repository: Repository, watcher: Watcher) -> Subject:
    """Get the module and see what it gives. Whatever can be refused at once is refused before the long steps.

    Raises:
        TritonRepoError: The model or its weights cannot be had, the repository cannot take it, or the module is no
            classifier that agrees with itself.
    """
    given = None if options.labels is None else labels.read(options.labels)
    paths = photographs.find(options.images)
    if options.name is not None:
        ModelSpec(options.name)
    watcher.step("network and weights")
    loaded = models.load(options.model, options.weights, watcher.progress, watcher.notice, options.spec)
    spec = loaded.spec if options.name is None else replace(loaded.spec, name=options.name)
    _tell(loaded, paths, watcher)
    for format in options.formats:
        repository.check(f"{spec.name}_{format.name}")
    watcher.step("reference: PyTorch on the verification pictures")
    size = options.serving.max_batch_size
    images = pictures.make(paths, spec.preprocessing, size)
    for sentence in advise_on_inputs(spec.preprocessing, images):
        watcher.notice(sentence)
    expected = observe(loaded.module, images, size, spec.scores)
    _tell_scores(spec, expected, watcher)
    spec, why = labels.choose(spec, expected.values.shape[1], given)
    watcher.notice(why)
    return Subject(loaded.module, replace(spec, scores=expected.scores), loaded.weights, expected)


def _tell(loaded: Loaded, paths: Sequence[Path], watcher: Watcher) -> None:
    """What the source gives, and whether its own preprocessing is the one that it gives."""
    watcher.notice(f"preprocessing: {loaded.spec.preprocessing}")
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


def _tell_scores(spec: ModelSpec, expected: Reference, watcher: Watcher) -> None:
    if spec.scores is not None:
        watcher.notice(f"scores: {expected.scores}, as the spec says")
    elif expected.scores != "logits":
        watcher.notice(
            f"scores: {expected.scores}, because {EXPLANATIONS[expected.scores]}; clients show them without another "
            'softmax. If that is wrong, say ModelSpec(..., scores="logits")'
        )
    else:
        for sentence in advise_on_scores(expected.values):
            watcher.notice(sentence)
