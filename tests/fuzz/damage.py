"""Real photographs as files of many formats, and ways to damage them."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

SIDE = 256
_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEAD = 600

VARIANTS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "JPEG": (
        ("RGB", {}),
        ("RGB", {"progressive": True}),
        ("L", {}),
        ("CMYK", {"quality": 95}),
        ("RGB", {"exif": True}),
    ),
    "PNG": (("RGB", {}), ("P", {}), ("I;16", {}), ("RGBA", {}), ("1", {})),
    "WEBP": (("RGB", {}), ("RGBA", {"lossless": True}), ("RGB", {"save_all": True})),
    "GIF": (("P", {}), ("L", {"interlace": 1}), ("P", {"save_all": True})),
    "TIFF": (
        ("RGB", {}),
        ("RGB", {"compression": "tiff_lzw"}),
        ("RGB", {"compression": "jpeg"}),
        ("L", {"compression": "tiff_adobe_deflate"}),
        ("F", {}),
        ("1", {"compression": "group4"}),
    ),
    "AVIF": (("RGB", {"speed": 10}), ("RGBA", {"speed": 10})),
    "JPEG2000": (("RGB", {}), ("L", {"no_jp2": True}), ("RGB", {"irreversible": True, "quality_layers": [40, 10]})),
}
"""By format: Pillow's modes and options, with sixteen bits, palettes, animations, EXIF and compressions among them."""


@functools.cache
def _photographs() -> tuple[Image.Image, ...]:
    found = []
    for name in ("chelsea", "coffee", "rocket", "camera"):
        image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        image.thumbnail((SIDE, SIDE))
        found.append(image)
    return tuple(found)


@functools.cache
def originals(format_: str) -> tuple[bytes, ...]:
    """Whole files of a format: each variant of each photograph."""
    return tuple(
        _encode(image, format_, mode, dict(options)) for image in _photographs() for mode, options in VARIANTS[format_]
    )


def _encode(image: Image.Image, format_: str, mode: str, options: dict[str, Any]) -> bytes:
    picture = (
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        if mode == "I;16"
        else image.convert(mode)
    )
    if options.pop("exif", False):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    if options.get("save_all"):
        options["append_images"] = [picture.rotate(90), picture.rotate(180)]
    buffer = io.BytesIO()
    picture.save(buffer, format_, **options)
    return buffer.getvalue()


def _truncated(chance: random.Random, data: bytearray) -> bytearray:
    return data[: chance.randrange(len(data))]


def _bits(chance: random.Random, data: bytearray) -> bytearray:
    for _ in range(chance.choice((1, 4, 50, 500))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _number(chance: random.Random, data: bytearray) -> bytearray:
    """An extreme number in the head, where sizes and counts stand."""
    for _ in range(chance.choice((1, 1, 3))):
        kind = chance.choice(("<I", ">I", "<H", ">H", "B"))
        size = struct.calcsize(kind)
        place = chance.randrange(min(chance.choice((_HEAD // 10, _HEAD)), len(data) - size))
        data[place : place + size] = struct.pack(kind, chance.choice(_EXTREMES) % 256**size)
    return data


def _noise(chance: random.Random, data: bytearray) -> bytearray:
    place, length = chance.randrange(len(data)), chance.choice((8, 100, 2000))
    data[place : place + length] = chance.randbytes(length)
    return data


def _hole(chance: random.Random, data: bytearray) -> bytearray:
    place = chance.randrange(len(data))
    del data[place : place + chance.choice((1, 16, 1000))]
    return data


def _again(chance: random.Random, data: bytearray) -> bytearray:
    """A piece of it once more, up to a hundred times."""
    place, length = chance.randrange(len(data)), chance.choice((16, 500))
    data[place:place] = data[place : place + length] * chance.choice((1, 100))
    return data


def _zeros(chance: random.Random, data: bytearray) -> bytearray:
    place = chance.randrange(len(data))
    data[place:] = bytes(len(data) - place)
    return data


DAMAGES: tuple[Callable[[random.Random, bytearray], bytearray], ...] = (
    _truncated, _bits, _number, _number, _noise, _hole, _again, _zeros,
)  # fmt: skip


def _sealed(data: bytearray) -> bytearray:
    """A PNG with right check sums: without them no decoder would look at what is damaged."""
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return data


def damaged(chance: random.Random, format_: str) -> bytes:
    """A file of the format with one to three damages."""
    data = bytearray(chance.choice(originals(format_)))
    for damage in chance.choices(DAMAGES, k=chance.choice((1, 1, 1, 2, 3))):
        if len(data) > _HEAD:
            data = damage(chance, data)
    return bytes(_sealed(data) if format_ == "PNG" and chance.random() < 0.7 else data)
