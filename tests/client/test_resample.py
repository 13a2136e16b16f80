"""A region of a resized picture, and the resized crop of any shape, against Pillow's own resize."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client.place import MAX_GROWN_PIXELS
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.resample import INTERPOLATIONS, resample, resample_region


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def resized(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """torchvision's rule."""
    width, height = size
    if width <= height:
        return short_side, int(short_side * height / width)
    return int(short_side * width / height), short_side


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(
    "size", [(33, 500), (500, 33), (2000, 3), (3, 2000), (1, 1), (255, 256), (4000, 250), (100, 110), (1, 300)]
)
def test_a_region_is_pillows_resize_bit_for_bit(size: tuple[int, int], interpolation: str) -> None:
    picture = noise(*size)
    whole = resized(size, 256)
    left, top = (whole[0] - 224) // 2, (whole[1] - 220) // 2
    box = (left, top, left + 224, top + 220)
    expected = np.asarray(resample(picture, whole, interpolation).crop(box))
    assert np.array_equal(resample_region(picture, whole, box, interpolation), expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_region_of_one_channel_is_exact_too(interpolation: str) -> None:
    picture, box = noise(33, 500).convert("L"), (7, 2000, 207, 2150)
    expected = np.asarray(resample(picture, (256, 3878), interpolation).crop(box))
    assert np.array_equal(resample_region(picture, (256, 3878), box, interpolation), expected)


SIZES = (
    (300, 6000),
    (6000, 300),
    (500, 9000),
    (257, 4700),
    (4700, 257),
    (100, 8000),
    (8000, 100),
    (224, 5000),
    (20, 999),
)
PAIRS = ((224, 224), (256, 224), (221, 224), (235, 224), (320, 300), (96, 64), (400, 384))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "crop"), PAIRS)
@pytest.mark.parametrize("size", SIZES)
def test_wide_and_tall_pictures_are_exact(size: tuple[int, int], resize: int, crop: int, interpolation: str) -> None:
    """Every pair of resize and crop, shrinking and growing, within and beyond what is resized as a whole."""
    picture, whole = noise(*size), resized(size, resize)
    left, top = (round((side - crop) / 2) if side >= crop else -((crop - side) // 2) for side in whole)
    expected = resample(picture, whole, interpolation).crop((left, top, left + crop, top + crop))
    spec = Preprocessing(resize, crop, interpolation, mean=(0, 0, 0), std=(1 / 255,) * 3)
    found = np.rint(preprocess(picture, spec)).astype(np.uint8).transpose(1, 2, 0)
    assert np.array_equal(found, np.asarray(expected))


def test_the_sizes_lie_on_both_sides_of_the_limit() -> None:
    grown = {
        np.prod(resized(size, resize)) > MAX_GROWN_PIXELS for size in SIZES for resize, _ in PAIRS if resize > min(size)
    }
    assert grown == {True, False}


@pytest.mark.parametrize("size", [(40_000, 1), (1, 40_000)])
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (221, 224)])
def test_a_picture_that_would_grow_beyond_measure_is_never_made_whole(
    size: tuple[int, int], resize: int, crop: int
) -> None:
    """10 Mx256 would be 10 GB. In the middle of one line of equal pixels every value is that of the line."""
    values = preprocess(
        Image.new("RGB", size, (51, 51, 51)), Preprocessing(resize, crop, mean=(0, 0, 0), std=(1, 1, 1))
    )
    black = (values == 0).sum()
    assert black == 3 * crop * max(crop - resize, 0)
    assert np.allclose(values[values != 0], 0.2)
