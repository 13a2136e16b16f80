"""The pictures of the torchvision reference: photographs that scikit-image carries, and generated ones.

Needs numpy and Pillow only, since the reference is made in an environment that has torchvision and little else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "camera.png", "motorcycle_left.png", "ihc.png", "page.png")
SHAPES = (
    (640, 480), (480, 640), (1920, 1080), (224, 224), (256, 256), (257, 255), (255, 1000), (300, 299), (17, 33), (1, 1),
    (2, 1), (1, 300), (5000, 7), (7, 5000), (4096, 250), (250, 4113), (30000, 1), (1, 30000), (3001, 2000),
    (300, 6000), (6000, 300), (260, 4500), (4500, 260), (500, 9000),
)  # fmt: skip
MODES = ("1", "L", "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I;16")
# name: (resize, crop, interpolation)
PIPELINES = {
    "seed": (256, 224, "bilinear"),
    "bicubic": (256, 224, "bicubic"),
    "odd": (235, 224, "bilinear"),
    "padded": (221, 224, "bilinear"),
    "whole": (224, 224, "bilinear"),
    "odd bicubic": (235, 224, "bicubic"),
    "padded bicubic": (221, 224, "bicubic"),
    "whole bicubic": (224, 224, "bicubic"),
}


def reference_images(photographs: Path) -> Iterator[tuple[str, Image.Image]]:
    """(name, image), each in its own mode. `photographs`: scikit-image's data directory."""
    for file in PHOTOGRAPHS:
        with Image.open(photographs / file) as image:
            yield file, image.copy()
    for width, height in SHAPES:
        yield f"noise {width}x{height}", _noise(width, height)
    for mode in MODES:
        yield f"mode {mode}", _in_mode(mode)


def _noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng((width, height))
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def _in_mode(mode: str) -> Image.Image:
    rgb = _noise(320, 280)
    if mode == "I;16":
        rng = np.random.default_rng(16)
        return Image.fromarray(rng.integers(0, 65536, (280, 320), dtype=np.uint16))
    if mode in ("LA", "RGBA"):
        rgb = rgb.convert("RGBA")
        rgb.putalpha(_noise(320, 280).convert("L").rotate(90, expand=False))
    if mode == "PA":
        rgb = rgb.convert("P")
    return rgb.convert(mode)
