"""The names of a model's classes: whose they are, and why."""

from collections import Counter
from dataclasses import replace

from tritonrepo.client.class_sets import IMAGENET, synsets
from tritonrepo.client.errors import UsageError
from tritonrepo.export import imagenet, network
from tritonrepo.repository.spec import ModelSpec


def choose(
    spec: ModelSpec, classes: int, given: tuple[str, ...] | None, where: str = "--labels", whose: str = ""
) -> tuple[ModelSpec, str]:
    """`spec` with one label per class: those given, its own, ImageNet's, or numbered, in that order.

    Args:
        spec: Of the model.
        classes: How many it has.
        given: Those of `--labels`.
        where: What gave them.
        whose: What gave the spec its labels, where that is not the spec itself.

    Returns:
        The spec, and a sentence that says which labels these are and why.

    Raises:
        UsageError: The number of labels is not that of the classes.
    """
    if given is not None:
        return _fit(spec, given, classes, where), f"labels: those of {where}{_twice(given)}"
    if spec.labels:
        whose = whose or f"the spec of {spec.name}"
        return _fit(spec, spec.labels, classes, whose), f"labels: those of {whose}{_twice(spec.labels)}"
    if classes == imagenet.CLASSES:
        named = replace(spec, labels=imagenet.labels(), synsets=synsets(IMAGENET))
        return named, f"labels: ImageNet's {classes}, {_why_imagenets(spec)}"
    numbered = replace(spec, labels=tuple(f"class {index}" for index in range(classes)))
    return numbered, f"labels: class 0 to class {classes - 1}, because neither the source nor --labels names any"


def _why_imagenets(spec: ModelSpec) -> str:
    if spec.name in network.ARCHITECTURES:
        return f"on which {spec.name} is trained"
    return (
        f"only because the model has {imagenet.CLASSES} classes and names none; if they are others, give their names "
        "with --labels FILE or in a ModelSpec"
    )


def _twice(labels: tuple[str, ...]) -> str:
    """A clause about a name of two classes: where another is left out for it, the rest are shifted."""
    twice = next((label for label, count in Counter(labels).items() if count > 1), None)
    if twice is None:
        return ""
    places = [str(index) for index, label in enumerate(labels) if label == twice]
    return f"; classes {', '.join(places[:-1])} and {places[-1]} have one name, {twice!r}: is another left out?"


def _fit(spec: ModelSpec, labels: tuple[str, ...], classes: int, where: str) -> ModelSpec:
    if len(labels) != classes:
        raise UsageError(f"{where}: {len(labels)} labels for a model of {classes} classes; give one for each class")
    # Labels of another source say nothing of the spec's synsets.
    return replace(spec, labels=labels, synsets=spec.synsets if labels == spec.labels else ())
