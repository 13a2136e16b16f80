"""The names of a model's classes: whose they are, and why."""

from dataclasses import replace
from pathlib import Path

from tritonrepo.client.class_sets import IMAGENET, synsets
from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import read_lines
from tritonrepo.export import imagenet, network
from tritonrepo.repository.labels import check_labels
from tritonrepo.repository.spec import ModelSpec


def choose(spec: ModelSpec, classes: int, given: tuple[str, ...] | None) -> tuple[ModelSpec, str]:
    """`spec` with one label per class: those given, its own, ImageNet's, or numbered, in that order.

    Returns:
        The spec, and a sentence that says which labels these are and why.

    Raises:
        UsageError: The number of labels is not that of the classes.
    """
    if given is not None:
        return _fit(spec, given, classes, "--labels"), "labels: those of --labels"
    if spec.labels:
        return _fit(spec, spec.labels, classes, f"the spec of {spec.name}"), "labels: those of the model's spec"
    if classes == imagenet.CLASSES:
        named = replace(spec, labels=imagenet.labels(), synsets=synsets(IMAGENET))
        return named, f"labels: ImageNet's {classes}, {_why_imagenets(spec)}"
    numbered = replace(spec, labels=tuple(f"class {index}" for index in range(classes)))
    return (
        numbered,
        f"labels: class 0 to class {classes - 1}, because neither the spec nor --labels names any",
    )


def _why_imagenets(spec: ModelSpec) -> str:
    if spec.name in network.ARCHITECTURES:
        return f"on which {spec.name} is trained"
    return (
        f"only because the model has {imagenet.CLASSES} classes and names none; if they are others, give their names "
        "with --labels FILE or in a ModelSpec"
    )


def _fit(spec: ModelSpec, labels: tuple[str, ...], classes: int, where: str) -> ModelSpec:
    if len(labels) != classes:
        raise UsageError(f"{where}: {len(labels)} labels for a model of {classes} classes; give one for each class")
    # Labels of another source say nothing of the spec's synsets.
    return replace(spec, labels=labels, synsets=spec.synsets if labels == spec.labels else ())


def read(path: Path) -> tuple[str, ...]:
    """The labels in a text file, one a line. Raises `UsageError` if it cannot be read or a line is no label."""
    try:
        labels = tuple(read_lines(path))
    except UsageError as exc:
        raise UsageError(f"--labels {exc}; it holds one label a line, in UTF-8") from exc
    try:
        check_labels(labels)
    except UsageError as exc:
        raise UsageError(f"--labels {path}: {exc}") from exc
    return labels
