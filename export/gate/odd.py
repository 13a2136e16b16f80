"""A dozen and more odd pictures: shapes and colour modes in which two ways of preparing images part."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image, ImageOps

SHAPES = (
    (1, 1), (5, 3), (17, 33), (223, 225), (257, 255), (301, 300), (640, 480), (480, 641), (1003, 90), (90, 1001),
    (700, 9),
)  # fmt: skip
"""Tiny, odd by one, tall, wide, and of extreme aspect: width and height."""
MODES = ("L", "LA", "1", "RGBA", "P", "CMYK", "YCbCr")
SIZE = (213, 160)
"""Of the pictures in other modes."""
TURNED = 6
"""EXIF's number for a picture that lies on its side."""


def make(photograph: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Each picture with a name that says what is odd: noise of each of SHAPES, then the photograph in each of MODES."""
    for width, height in SHAPES:
        noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
        yield f"noise {width}x{height}", Image.fromarray(noise)
    small = photograph.convert("RGB").resize(SIZE)
    for mode in MODES:
        yield f"colour mode {mode}", small.convert(mode)
    yield "transparent", _transparent(small)
    yield "turned by EXIF", _turned(small)


def _transparent(picture: Image.Image) -> Image.Image:
    """Fading from left to right."""
    faded = picture.convert("RGBA")
    faded.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, picture.width).astype(np.uint8), (picture.height, 1))))
    return faded


def _turned(picture: Image.Image) -> Image.Image:
    """As it is after the reader of a file has put it upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = TURNED
    with io.BytesIO() as file:
        picture.save(file, "png", exif=exif)
        with Image.open(io.BytesIO(file.getvalue())) as read:
            return ImageOps.exif_transpose(read)
