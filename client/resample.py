"""A part of what Pillow's `resize` would give, without making the rest: for long pictures that grow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.images import Pixels

# Pillow's fixed point for 8-bit pixels: 32 bits less 8 for the value and 2 for the overshoot of negative lobes.
_PRECISION_BITS = 32 - 8 - 2


@dataclass(frozen=True)
class Filter:
    """One of Pillow's resampling filters.

    Attributes:
        resample: Pillow's name for it.
        kernel: The weight of a sample by its distance from the centre, in pixels of the picture that is not shrunk.
        support: How far the kernel reaches, in the same pixels.
    """

    resample: Image.Resampling
    kernel: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    support: float


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution with a = -0.5, Pillow's BICUBIC."""
    a, x = -0.5, np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _box(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)


def _hamming(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x) * np.pi
    return np.where(x < np.pi, np.sinc(x / np.pi) * (0.54 + 0.46 * np.cos(x)), 0.0)


def _lanczos(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where((x >= -3.0) & (x < 3.0), np.sinc(x) * np.sinc(x / 3.0), 0.0)


FILTERS = {
    "bilinear": Filter(Image.Resampling.BILINEAR, _triangle, 1.0),
    "bicubic": Filter(Image.Resampling.BICUBIC, _cubic, 2.0),
    "box": Filter(Image.Resampling.BOX, _box, 0.5),
    "hamming": Filter(Image.Resampling.HAMMING, _hamming, 1.0),
    "lanczos": Filter(Image.Resampling.LANCZOS, _lanczos, 3.0),
}
NEAREST = "nearest"
INTERPOLATIONS = (*FILTERS, NEAREST)


def resample(image: Image.Image, size: tuple[int, int], interpolation: str) -> Image.Image:
    """The picture at this width and height, by one of INTERPOLATIONS."""
    chosen = FILTERS.get(interpolation)
    return image.resize(size, chosen.resample if chosen else Image.Resampling.NEAREST)


def resample_region(
    image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int], interpolation: str
) -> Pixels:
    """A part of what `resample` gives, bit for bit.

    Only for pictures that grow. Where one shrinks, Pillow chooses which axis it resamples first, by rules that differ
    between its releases, and the rounding between the two passes shows the order.

    `resize(box=…)` would not do: it keeps the box in single precision, which moves the samples of a long picture.

    Args:
        image: An RGB picture, or one of a single channel.
        size: Width and height of the whole resized picture, neither below the image's.
        box: The part's left, top, right and bottom there.
        interpolation: One of INTERPOLATIONS.

    Returns:
        [height, width, 3] uint8; [height, width] for a single channel.
    """
    left, top, right, bottom = box
    if interpolation == NEAREST:
        columns = _nearest(image.width, size[0], left, right)
        rows = _nearest(image.height, size[1], top, bottom)
        region = image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        nearest: Pixels = np.asarray(region)[rows - rows[0]][:, columns - columns[0]]
        return nearest
    chosen = FILTERS[interpolation]
    columns, column_weights = _taps(image.width, size[0], left, right - left, chosen)
    rows, row_weights = _taps(image.height, size[1], top, bottom - top, chosen)
    region = image.crop((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    pixels = np.asarray(region)
    # Horizontal first and 8 bits between the passes: Pillow's order and rounding.
    pixels = _weigh(pixels.swapaxes(0, 1), columns - columns.min(), column_weights).swapaxes(0, 1)
    return _weigh(pixels, rows - rows.min(), row_weights)


def _nearest(in_size: int, out_size: int, start: int, stop: int) -> NDArray[np.int64]:
    """Input positions of output positions start..stop.

    Pillow's `ImagingScaleAffine`: it adds the scale up, one pixel after the other.
    """
    scale = in_size / out_size
    centres = np.full(stop, scale)
    centres[0] = scale * 0.5
    return np.minimum(np.add.accumulate(centres).astype(np.int64), in_size - 1)[start:]


def _taps(
    in_size: int, out_size: int, start: int, count: int, chosen: Filter
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Input positions and fixed-point weights, each [count, taps], of output positions start..start+count.

    Pillow's `precompute_coeffs`: the kernel is widened by the scale when shrinking, and cut at the picture's edge.
    """
    scale = in_size / out_size
    widening = max(scale, 1.0)
    support = chosen.support * widening
    centre = (np.arange(start, start + count) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), in_size)
    position = first[:, None] + np.arange((last - first).max())
    weight = chosen.kernel((position - centre[:, None] + 0.5) * (1.0 / widening)) * (position < last[:, None])
    weight /= weight.sum(axis=1, keepdims=True)
    fixed = np.trunc(weight * (1 << _PRECISION_BITS) + np.copysign(0.5, weight)).astype(np.int64)
    return np.minimum(position, in_size - 1), fixed


def _weigh(lines: Pixels, positions: NDArray[np.int64], weights: NDArray[np.int64]) -> Pixels:
    """[lines, …] uint8 -> [count, …] uint8: each output line the weighted sum of its taps, rounded and clipped."""
    total = np.full((len(positions), *lines.shape[1:]), 1 << (_PRECISION_BITS - 1), np.int64)
    for position, weight in zip(positions.T, weights.T, strict=True):
        total += lines[position] * weight.reshape(-1, *[1] * (lines.ndim - 1))
    return (total >> _PRECISION_BITS).clip(0, 255).astype(np.uint8)
