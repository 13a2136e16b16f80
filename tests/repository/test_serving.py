"""Batch sizes that follow from the options."""

import pytest

from tritonrepo.repository.formats import ONNX, TENSORRT
from tritonrepo.repository.serving import Serving


@pytest.mark.parametrize(
    ("maximum", "preferred", "profile"), [(64, 8, (1, 8, 64)), (4, 16, (1, 4, 4)), (1, 8, (1, 1, 1))]
)
def test_the_preferred_batch_never_exceeds_the_maximum(
    maximum: int, preferred: int, profile: tuple[int, int, int]
) -> None:
    assert Serving(maximum, preferred_batch_size=preferred).profile == profile


def test_the_ends_are_warmed_up_and_for_an_engine_the_preferred_batch() -> None:
    assert Serving(64).warm_batches(ONNX) == (1, 64)
    assert Serving(64).warm_batches(TENSORRT) == (1, 8, 64)
    assert Serving(1).warm_batches(TENSORRT) == (1,)
