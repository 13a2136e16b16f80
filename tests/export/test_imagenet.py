"""ImageNet's classes, in the order of the logits."""

from tritonrepo.export import imagenet


def test_names_and_ids_are_those_of_the_logits() -> None:
    labels, synsets = imagenet.labels(), imagenet.synsets()
    assert len(labels) == len(synsets) == 1000
    assert (labels[285], synsets[285]) == ("Egyptian cat", "n02124075")
    assert synsets[0] == "n01440764"
    assert synsets[999] == "n15075141"
    assert list(synsets) == sorted(synsets)
