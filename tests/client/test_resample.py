"""A region of a resized picture, against Pillow's own resize."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client.resample import FILTERS, resample_region


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "size", [(640, 480), (480, 641), (33, 500), (500, 33), (2000, 3), (3, 2000), (1, 1), (255, 257), (4000, 900)]
)
def test_a_region_is_pillows_resize_bit_for_bit(size: tuple[int, int], interpolation: str) -> None:
    width, height = size
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
    scale = 256 / min(size)
    whole = int(width * scale), int(height * scale)
    start = (whole[0] - 224) // 2, (whole[1] - 224) // 2
    filter_ = FILTERS[interpolation]
    expected = picture.resize(whole, filter_.resample).crop((*start, start[0] + 224, start[1] + 224))
    assert np.array_equal(resample_region(picture, whole, start, 224, filter_), np.asarray(expected))
