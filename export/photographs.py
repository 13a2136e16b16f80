"""The photographs on which artifacts are verified and untrained networks are calibrated."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.errors import ImageError, UsageError
from tritonrepo.client.images import open_image
from tritonrepo.client.preprocess import Preprocessing, preprocess

BUNDLED = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
"""Photographs that scikit-image ships: people, animals, things, textures; colour and grey."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def find(directory: Path | None = None, option: str = "--images") -> list[Path]:
    """The image files of `directory`, sorted, or the bundled photographs. Raises `UsageError` if there are none."""
    if directory is None:
        return [Path(str(files("skimage") / "data" / name)) for name in BUNDLED]
    if not directory.is_dir():
        raise UsageError(f"{directory}: not a directory; {option} takes a directory of photographs")
    found = sorted(path for path in directory.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise UsageError(f"{directory}: holds no image ({', '.join(SUFFIXES)}); {option} needs at least one")
    return found


def batch(paths: Sequence[Path], preprocessing: Preprocessing, size: int) -> NDArray[Any]:
    """`size` different preprocessed images, in the type and layout of the preprocessing.

    When there are fewer photographs than `size`, they come again mirrored and rotated (the eight symmetries of the
    square); past eight times their number they repeat.

    Raises:
        UsageError: A file is not an image.
    """
    images = np.empty((size, *preprocessing.shape), preprocessing.numpy_dtype)
    for image, view in zip(images, views(paths, size), strict=True):
        preprocess(view, preprocessing, out=image)
    return images


def views(paths: Sequence[Path], count: int) -> Iterator[Image.Image]:
    """`count` pictures: the photographs, then the same mirrored and rotated, as in `batch`. Raises `UsageError`."""
    opened = [read(path) for path in paths[:count]]
    for index in range(count):
        round_, photograph = divmod(index, len(opened))
        yield _symmetry(opened[photograph], round_ % 8)


def read(path: Path) -> Image.Image:
    """One photograph. Raises `UsageError` if the file is not an image."""
    try:
        return open_image(path)
    except ImageError as exc:
        raise UsageError(f"verification photograph {exc}") from exc


def _symmetry(image: Image.Image, number: int) -> Image.Image:
    """One of the eight symmetries of the square; number 0 leaves the image alone."""
    if number >= 4:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    quarter_turns = number % 4
    return image.rotate(90 * quarter_turns, expand=True) if quarter_turns else image
