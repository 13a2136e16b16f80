"""The pictures on which artifacts are verified: photographs, and pictures at the ends of what a camera sees."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.export import photographs

FEWEST = 12
"""However small the largest batch is, so many pictures are run."""
FIRST_EXTREME = 3
"""The pictures before are photographs."""
DARKNESS = 16
"""A dark picture is a photograph at one sixteenth of its brightness."""


def make(paths: Sequence[Path], preprocessing: Preprocessing, max_batch_size: int) -> NDArray[Any]:
    """Pictures to verify on, preprocessed.

    After three photographs come a black, a white, a noisy and a dark picture: a branch or an overflow that no
    photograph meets is met there.

    Args:
        paths: The photographs.
        preprocessing: The model's.
        max_batch_size: Of the model; so many pictures are made, and `FEWEST` at least.

    Returns:
        `[N, …]`, of the preprocessing's shape and datatype.

    Raises:
        UsageError: A file is not an image.
    """
    count = max(max_batch_size, FEWEST)
    extremes = _extremes(photographs.read(paths[0]), preprocessing.first_size)
    rest = iter(photographs.views(paths, count - len(extremes)))
    images = np.empty((count, *preprocessing.shape), preprocessing.numpy_dtype)
    for index in range(count):
        extreme = index - FIRST_EXTREME
        picture = extremes[extreme] if 0 <= extreme < len(extremes) else next(rest)
        preprocess(picture, preprocessing, out=images[index])
    return images


def _extremes(photograph: Image.Image, size: tuple[int, int]) -> list[Image.Image]:
    """Black, white, noise, dark. `size`: height and width that no resize changes, or noise would be smoothed."""
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    black, white = (Image.new("RGB", size[::-1], (level, level, level)) for level in (0, 255))
    return [black, white, Image.fromarray(noise), photograph.convert("RGB").point(lambda level: level // DARKNESS)]
