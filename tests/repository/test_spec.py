"""What a factory may say of its model."""

from typing import Any

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.repository.spec import LONGEST_NAME, ModelSpec


@pytest.mark.parametrize("name", ["a", "resnext101_32x4d", "My.Model-2", "n" * LONGEST_NAME])
def test_a_name_that_can_be_a_directory(name: str) -> None:
    assert ModelSpec(name).name == name


@pytest.mark.parametrize("name", ["", ".", "..", "_a", "-a", "a/b", "a b", "ä", "a\n", "n" * (LONGEST_NAME + 1), 3])
def test_another_name_is_refused(name: Any) -> None:
    with pytest.raises(UsageError, match="model name"):
        ModelSpec(name)


def test_lists_become_tuples_and_the_image_shape_follows_from_the_crop() -> None:
    labels: Any = ["a", "b"]
    spec = ModelSpec("net", labels=labels, preprocessing=Preprocessing(resize=36, crop=32))
    assert spec.labels == ("a", "b")
    assert spec.image_shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ("a", "")}, "label 1 is ''"),
        ({"labels": "cat"}, "the labels of net are 'cat': give a list"),
        ({"labels": ("a",), "synsets": "n"}, "the synsets of net are 'n': give a list"),
        ({"trained": "no"}, "trained of net is 'no': say true or false"),
        ({"labels": ("a", "b"), "synsets": ("n1",)}, "1 synsets for 2 labels"),
        ({"preprocessing": {"resize": 36}}, "is a dict, not a Preprocessing"),
        ({"preprocessing": Preprocessing(layout="NHWC")}, "gives NHWC FP32; every model here takes NCHW FP32"),
    ],
)
def test_what_cannot_be_served_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ModelSpec("net", **fields)
