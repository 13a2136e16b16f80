"""Image files: every mode and shape, orientation, and hostile bytes."""

from __future__ import annotations

import io
import re
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client import images
from tritonrepo.client.errors import ImageError
from tritonrepo.client.images import (
    MAX_BYTES,
    MAX_SCANS,
    MAX_SECONDS,
    as_file,
    longest_decoding,
    open_image,
    read_file,
    to_rgb,
)
from tritonrepo.client.preprocess import Preprocessing, preprocess


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGBX", "RGBa", "La", "CMYK", "YCbCr", "HSV"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = Image.new("L", (4, 4), 255)
    picture = _in_mode(grey, mode)
    assert to_rgb(picture).mode == "RGB"
    assert np.asarray(to_rgb(picture)).min() >= 253


def _in_mode(grey: Image.Image, mode: str) -> Image.Image:
    via = {"La": "LA", "RGBa": "RGBA", "HSV": "RGB", "YCbCr": "RGB", "CMYK": "RGB", "PA": "P"}
    return grey.convert(via.get(mode, "L")).convert(mode)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 257, 65535]], np.uint16), [0, 1, 255]),
        (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 128.0, 255.0]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, -np.inf, 65535.0]], np.float32), [0, 0, 255]),
    ],
)
def test_deep_values_are_scaled_not_clipped(values: NDArray[Any], expected: list[int]) -> None:
    rgb = np.asarray(to_rgb(Image.fromarray(values)))
    assert rgb[0, :, 0].tolist() == expected


def test_a_16_bit_png_keeps_its_greys() -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    rgb = to_rgb(open_image(encoded(Image.fromarray(ramp), "PNG")))
    assert np.abs(np.asarray(rgb)[:, :, 1].ravel() - np.arange(256.0)).max() <= 1


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert to_rgb(open_image(data)).getpixel((5, 5)) == (255, 0, 0)


def test_exif_orientation_is_applied_unless_told_otherwise() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif)
    assert open_image(data).size == (20, 40)
    assert open_image(data, orient=False).size == (40, 20)


def test_fast_decoding_scales_while_it_decodes_and_stays_close() -> None:
    gradient = Image.linear_gradient("L").resize((3000, 2000)).convert("RGB")
    data = encoded(gradient, "JPEG")
    spec = Preprocessing()
    assert spec.least_side == 256
    fast = open_image(data, least_side=spec.least_side)
    assert min(fast.size) >= spec.least_side
    assert fast.size < (3000, 2000)
    assert np.abs(preprocess(fast, spec) - preprocess(open_image(data), spec)).mean() < 0.02


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"just words", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "a PostScript document"),
        (encoded(noise(200, 200), "JPEG")[:3000], "damaged image"),
        (encoded(noise(200, 200), "PNG")[:3000], "damaged image"),
    ],
)
def test_what_is_not_an_image_says_so(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(ImageError) as caught:
            open_image(source)
        assert reason in caught.value.reason
    assert str(caught.value).startswith("picture.jpg: ")


def test_a_missing_file_and_a_directory_are_image_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.jpg", tmp_path):
        with pytest.raises(ImageError):
            open_image(path)


def test_a_file_of_more_bytes_than_any_picture_has_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.avif"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match=r"1,073,741,825 bytes, more than the limit of 1,073,741,824"):
        open_image(path)


def test_a_jpeg_that_goes_over_its_pixels_for_hours_is_refused(tmp_path: Path) -> None:
    """Its last scan repeated: 40 bytes that the decoder takes 89 million pixels for."""
    data = encoded(noise(64, 64), "JPEG", progressive=True)
    begin, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    many, few = (data[:end] + data[begin:end] * count + data[end:] for count in (MAX_SCANS, 50))
    path = tmp_path / "many.jpg"
    path.write_bytes(many)
    for source in (many, path):
        with pytest.raises(ImageError, match=r"decompression bomb: 1.. scans"):
            open_image(source)
    assert open_image(few).size == (64, 64)


@pytest.mark.parametrize(
    ("format_", "options", "most"),
    [
        ("JPEG", {"quality": 100, "subsampling": 0}, 4.6),
        ("WEBP", {"quality": 100, "method": 0}, 2.8),
        ("JPEG2000", {}, 3.4),
        ("AVIF", {"speed": 10, "quality": 100, "subsampling": "4:4:4"}, 4.0),
        ("PNG", {}, 3.1),
        ("TIFF", {"compression": "jpeg", "quality": 100}, 5.0),
    ],
)
def test_a_picture_that_takes_a_decoder_too_long_is_refused(
    monkeypatch: pytest.MonkeyPatch, format_: str, options: dict[str, Any], most: float
) -> None:
    """Noise, in as many bytes as its format can make of it; with limits for 12,000 pixels instead of 89 million."""
    data = encoded(noise(120, 100), format_, **options)
    assert len(data) / 12_000 < most, "the estimate counts bytes"
    assert open_image(data).size == (120, 100)
    monkeypatch.setattr(images, "MAX_SECONDS", 100e-9)
    for source in (data, io.BytesIO(data)):
        with pytest.raises(ImageError, match=rf"120x100 pixels in {len(data):,} bytes of \w+ may take 0 s to decode"):
            open_image(source)


@pytest.mark.parametrize(
    ("format_", "megapixels", "megabytes", "allowed"),
    [
        ("JPEG", 89, 120, True),  # the largest, at the best quality
        ("JPEG", 89, 250, False),
        ("WEBP", 89, 30, True),
        ("WEBP", 89, 60, False),
        ("AVIF", 48, 20, True),
        ("AVIF", 89, 20, False),
        ("JPEG2000", 20, 15, True),
        ("JPEG2000", 89, 1, False),
        ("PNG", 89, 500, True),
        ("TIFF", 89, 716, True),
    ],
)
def test_photographs_of_the_largest_size_are_allowed(
    format_: str, megapixels: int, megabytes: int, allowed: bool
) -> None:
    seconds = longest_decoding(format_, megapixels * 10**6, megabytes * 10**6, 10 if format_ == "JPEG" else 0)
    assert (seconds <= MAX_SECONDS) == allowed


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # As the command does with it.
@pytest.mark.parametrize("kind", ["progressive", "components apart"])
def test_a_jpeg_that_is_held_whole_is_refused_by_its_own_size_also_where_it_would_be_scaled(kind: str) -> None:
    data = encoded(noise(64, 64), "JPEG", progressive=kind == "progressive")
    frame = re.search(rb"\xff[\xc0\xc2]\x00\x11\x08", data)
    assert frame is not None
    huge = data[: frame.end()] + struct.pack(">HH", 13000, 13000) + data[frame.end() + 4 :]
    if kind == "components apart":
        apart = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
        huge = huge[: huge.index(b"\xff\xda")] + apart + huge[huge.index(b"\xff\xda") + 14 :]
    with pytest.raises(ImageError, match=r"decompression bomb: 13000x13000"):
        open_image(huge, least_side=256)


def test_what_the_system_refuses_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "whole.png"
    noise(4, 4).save(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(ImageError) as caught:
            open_image(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.reason == "Too many open files"
    assert open_image(path).size == (4, 4)


def test_a_decoder_without_memory_says_so() -> None:
    class Greedy(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise MemoryError

    with pytest.raises(ImageError, match="not enough memory"):
        open_image(Greedy(b"any"))


@pytest.mark.parametrize("side", [9_500, 50_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    for take in (open_image, read_file):
        with pytest.raises(ImageError, match="decompression bomb"):
            take(bomb)


def test_a_file_is_read_as_it_is_and_not_decoded(tmp_path: Path) -> None:
    whole = encoded(noise(60, 40), "JPEG")
    cut = whole[: len(whole) // 2]
    path = tmp_path / "cut.jpg"
    path.write_bytes(cut)
    assert read_file(path) == read_file(cut) == cut
    with pytest.raises(ImageError, match="damaged image"):
        open_image(path)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty file"), (b"text", "not an image in a known format")])
def test_a_file_that_is_no_image_is_not_read(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "file.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_file(path)
    assert caught.value.reason == reason


REMEDY = ", which is not read here; convert it to PNG or JPEG"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', f"an SVG drawing{REMEDY}"),
        (
            b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a\nb --><!DOCTYPE svg PUBLIC "x">\n<svg>',
            f"an SVG drawing{REMEDY}",
        ),
        (b"\n<!DOCTYPE html><html><svg/></html>", "a web page, and no image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", f"a HEIC picture{REMEDY}"),
        (b"%PDF-1.7\n", f"a PDF document{REMEDY}"),
    ],
)
def test_a_file_that_people_take_for_a_picture_is_told(tmp_path: Path, head: bytes, reason: str) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(head + bytes(5000))
    for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        with pytest.raises(ImageError) as caught:
            open_image(source)
        assert caught.value.reason == reason


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match="more than the limit"):
        read_file(path)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK"])
def test_a_picture_becomes_a_file_of_the_same_pixels(mode: str) -> None:
    picture = noise(20, 10).convert(mode)
    np.testing.assert_array_equal(np.asarray(open_image(as_file(picture))), np.asarray(to_rgb(picture)))
