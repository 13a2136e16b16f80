"""The names of a model's classes."""

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.export import labels
from tritonrepo.repository.spec import ModelSpec

SPEC = ModelSpec("net", labels=("a", "b"), synsets=("n1", "n2"))
BARE = ModelSpec("net")


def test_given_labels_come_before_the_specs_own() -> None:
    assert labels.choose(SPEC, 2, ("x", "y"))[0].labels == ("x", "y")
    assert labels.choose(SPEC, 2, None)[0] == SPEC


def test_labels_of_another_source_say_nothing_of_the_synsets() -> None:
    assert labels.choose(SPEC, 2, ("x", "y"))[0].synsets == ()
    assert labels.choose(SPEC, 2, SPEC.labels)[0].synsets == SPEC.synsets


def test_a_thousand_classes_are_imagenets_and_others_are_numbered() -> None:
    assert labels.choose(BARE, 1000, None)[0].labels[285] == "Egyptian cat"
    assert labels.choose(BARE, 1000, None)[0].synsets[285] == "n02124075"
    assert labels.choose(BARE, 2, None)[0].labels == ("class 0", "class 1")


@pytest.mark.parametrize(
    ("spec", "given", "where"), [(SPEC, None, "the spec of net: 2 labels"), (BARE, ("x",), "--labels: 1 labels")]
)
def test_one_label_for_each_class(spec: ModelSpec, given: tuple[str, ...] | None, where: str) -> None:
    with pytest.raises(UsageError, match=where):
        labels.choose(spec, 3, given)


def test_whose_labels_they_are_is_said() -> None:
    assert labels.choose(BARE, 2, ("x", "y"))[1] == "labels: those of --labels"
    assert "only because the model has 1000 classes" in labels.choose(BARE, 1000, None)[1]
    assert "is trained" in labels.choose(ModelSpec("resnet50"), 1000, None)[1]
    assert labels.choose(BARE, 2, ("x", "y"), "--labels names.csv")[1] == "labels: those of --labels names.csv"
    assert labels.choose(SPEC, 2, None, whose="id2label")[1] == "labels: those of id2label"
    assert labels.choose(BARE, 2, None)[1].endswith("because neither the source nor --labels names any")


def test_what_gave_too_few_labels_is_named() -> None:
    with pytest.raises(UsageError, match=r"--labels names\.csv: 1 labels for a model of 2 classes"):
        labels.choose(BARE, 2, ("x",), "--labels names.csv")
    with pytest.raises(UsageError, match=r"id2label of config\.json: 2 labels for a model of 3 classes"):
        labels.choose(SPEC, 3, None, whose="id2label of config.json")


def test_a_name_of_two_classes_is_said() -> None:
    """Where another is missing for it, the labels between are shifted."""
    said = labels.choose(BARE, 4, ("ant", "bee", "cat", "bee"), "--labels names.txt")[1]
    assert said == "labels: those of --labels names.txt; classes 1 and 3 have one name, 'bee': is another left out?"
