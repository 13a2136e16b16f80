"""Photographs of scikit-image in many sizes, crops and formats, and some files that are damaged."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "ihc.png")
SMALLEST, LARGEST = 96, 640
"""Sides, in pixels."""
DAMAGED = 97
"""One in so many is cut off."""


def make_photographs(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """The same for the same seed; sorted."""
    rng = np.random.default_rng(seed)
    pictures = [Image.open(str(files("skimage") / "data" / name)).convert("RGB") for name in NAMES]
    made = []
    for number in range(count):
        picture = pictures[number % len(pictures)]
        width, height = rng.integers(SMALLEST, LARGEST, 2)
        left, top = (rng.integers(0, side // 2) for side in picture.size)
        right, bottom = (rng.integers(side // 2 + 32, side + 1) for side in picture.size)
        cut = picture.resize((int(width), int(height)), box=(int(left), int(top), int(right), int(bottom)))
        path = folder / f"{number:05}.{'png' if number % 10 == 9 else 'jpg'}"
        cut.save(path)
        if number % DAMAGED == DAMAGED - 1:
            path.write_bytes(path.read_bytes()[:100])
        made.append(path)
    return sorted(made)
