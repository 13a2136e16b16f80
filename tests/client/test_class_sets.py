"""The classes of ImageNet, as the client ships them."""

from tritonrepo.client.class_sets import IMAGENET, name_of, synsets


def test_imagenets_ids_are_in_the_order_of_the_logits() -> None:
    ids = synsets(IMAGENET)
    assert len(ids) == len(set(ids)) == 1000
    assert (ids[0], ids[285], ids[999]) == ("n01440764", "n02124075", "n15075141")
    assert list(ids) == sorted(ids)


def test_a_set_is_known_by_its_ids_in_their_order() -> None:
    assert name_of(synsets(IMAGENET)) == IMAGENET
    assert name_of(synsets(IMAGENET)[::-1]) is None
    assert name_of(()) is None


def test_a_set_of_a_later_release_has_no_ids() -> None:
    assert synsets("imagenet-22k") == ()
    assert synsets("../errors.py") == ()
