"""What artifacts are verified on."""

import numpy as np
import pytest

from tests import factories
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import photographs
from tritonrepo.export.gate import pictures

PLAIN = Preprocessing(resize=36, crop=factories.SIDE, mean=(0, 0, 0), std=(1, 1, 1))


@pytest.mark.parametrize(("largest", "count"), [(1, 12), (12, 12), (40, 40)])
def test_there_are_as_many_as_the_largest_batch_and_twelve_at_least(largest: int, count: int) -> None:
    images = pictures.make(photographs.find(), PLAIN, largest)
    assert images.shape == (count, 3, factories.SIDE, factories.SIDE)
    assert len(np.unique(images.reshape(count, -1), axis=0)) == count


def test_black_white_noise_and_dark_ones_are_among_them() -> None:
    black, white, noise, dark = pictures.make(photographs.find(), PLAIN, 1)[3:7]
    assert (black == 0).all()
    assert (white == 1).all()
    assert noise.std() == pytest.approx(1 / 12**0.5, rel=0.02)  # of equally likely levels, nothing smoothed
    assert 0 < dark.max() <= 1 / 16
    assert len(np.unique(dark)) > 3
