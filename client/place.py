"""The steps that place a picture: resizes and crops, as Pillow does them, at a cost that no aspect can drive up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from PIL import Image

from tritonrepo.client.images import Pixels
from tritonrepo.client.resample import resample, resample_region
from tritonrepo.client.steps import Crop, Resize, Size

# A picture that would grow beyond this is resampled in its crop alone: 30000x1 would become 7.68 Mx256. One that
# shrinks is never larger than it is already.
MAX_GROWN_PIXELS = 1 << 22


def place(image: Image.Image, steps: Sequence[Resize | Crop]) -> Pixels:
    """The picture after these steps.

    Args:
        image: RGB, or of one channel.
        steps: A resize that keeps the aspect is followed by a crop.

    Returns:
        [height, width, 3] uint8; [height, width] for one channel.
    """
    for number, step in enumerate(steps):
        if isinstance(step, Crop):
            image = _cropped(image, step)
            continue
        size, after = step.of(image.size), steps[number + 1 : number + 2]
        if after and isinstance(after[0], Crop) and _grows_much(image.size, size):
            grown = Image.fromarray(_grown_crop(image, step, size, after[0]))
            return place(grown, steps[number + 2 :])
        image = resample(image, size, step.interpolation)
    return np.asarray(image)


def _cropped(image: Image.Image, step: Crop) -> Image.Image:
    box = step.of(image.size)
    outside = box[0] < 0 or box[1] < 0 or box[2] > image.width or box[3] > image.height
    if not outside or not any(step.fill):  # Pillow itself pads with black
        return image.crop(box)
    padded = Image.new(image.mode, (step.width, step.height), _colour(step))
    padded.paste(image, (-box[0], -box[1]))
    return padded


def _grows_much(size: Size, grown: Size) -> bool:
    grows = grown != size and grown[0] >= size[0] and grown[1] >= size[1]
    return grows and grown[0] * grown[1] > MAX_GROWN_PIXELS


def _grown_crop(image: Image.Image, step: Resize, size: Size, crop: Crop) -> Pixels:
    """The crop of a picture that would be too large as a whole; `fill` where the box reaches beyond it."""
    left, top, right, bottom = crop.of(size)
    inner = (max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1]))
    pixels = np.asarray(Image.new(image.mode, (crop.width, crop.height), _colour(crop))).copy()
    pixels[inner[1] - top : inner[3] - top, inner[0] - left : inner[2] - left] = resample_region(
        image, size, inner, step.interpolation
    )
    return cast(Pixels, pixels)


def _colour(step: Crop) -> int | tuple[int, ...]:
    """As Pillow takes it: a number for one channel."""
    if not any(step.fill):
        return 0
    return step.fill[0] if len(step.fill) == 1 else step.fill
