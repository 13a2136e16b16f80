"""Preprocessing: the contract's JSON, every mode and shape, and hostile files."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client import preprocess as module
from tritonrepo.client.errors import ContractError, ImageError
from tritonrepo.client.preprocess import Preprocessing, open_image, preprocess, to_rgb


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def test_json_round_trip_is_the_contract() -> None:
    text = Preprocessing().to_json()
    assert text == (
        '{"resize":256,"crop":224,"interpolation":"bilinear","mean":[0.485,0.456,0.406],'
        '"std":[0.229,0.224,0.225],"layout":"NCHW","dtype":"FP32"}'
    )
    assert Preprocessing.from_json(text) == Preprocessing()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"resise": 1}', "unknown keys: resise"),
        ('{"resize": "256"}', "resize is '256'"),
        ('{"resize": true}', "resize is True"),
        ('{"crop": 0}', "crop is 0"),
        ('{"crop": 100000}', "crop is 100000"),
        ('{"interpolation": "best"}', "interpolation is 'best'"),
        ('{"interpolation": ["bilinear"]}', "interpolation is"),
        ('{"layout": "CHWN"}', "layout is 'CHWN'"),
        ('{"dtype": "INT8"}', "dtype is 'INT8'"),
        ('{"mean": [1, 2]}', "mean is (1, 2)"),
        ('{"mean": [1, 2, NaN]}', "mean is (1, 2, nan)"),
        ('{"std": [0.1, 0.2, 0]}', "std is (0.1, 0.2, 0)"),
    ],
)
def test_nonsense_is_refused(text: str, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        Preprocessing.from_json(text)
    assert message in str(caught.value)


def test_values_go_into_the_given_buffer() -> None:
    batch = np.zeros((2, 3, 224, 224), np.float32)
    returned = preprocess(noise(300, 400), Preprocessing(), batch[1])
    assert np.shares_memory(returned, batch)
    assert not batch[0].any()
    assert np.array_equal(batch[1], preprocess(noise(300, 400), Preprocessing()))
    with pytest.raises(ValueError, match="shape"):
        preprocess(noise(300, 400), Preprocessing(), np.zeros((3, 1, 1), np.float32))


def test_normalisation_is_that_of_its_definition() -> None:
    spec = Preprocessing(resize=8, crop=8)
    picture = noise(8, 8)
    expected = (np.asarray(picture).transpose(2, 0, 1) / 255 - np.reshape(spec.mean, (3, 1, 1))) / np.reshape(
        spec.std, (3, 1, 1)
    )
    assert np.abs(preprocess(picture, spec) - expected).max() < 1e-6


def test_layout_and_dtype_are_obeyed() -> None:
    planar = preprocess(noise(300, 300), Preprocessing())
    interleaved = preprocess(noise(300, 300), Preprocessing(layout="NHWC", dtype="FP16"))
    assert interleaved.shape == (224, 224, 3)
    assert interleaved.dtype == np.float16
    assert np.array_equal(interleaved, planar.transpose(1, 2, 0).astype(np.float16))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "size", [(640, 480), (480, 641), (33, 500), (500, 33), (2000, 3), (3, 2000), (1, 1), (255, 257), (4000, 900)]
)
def test_resampling_a_region_is_pillows_resize_bit_for_bit(size: tuple[int, int], interpolation: str) -> None:
    spec = Preprocessing(interpolation=interpolation)
    picture = noise(*size)
    whole = module._resized(size, spec.resize)
    start = module._crop_start(whole[0], spec.crop), module._crop_start(whole[1], spec.crop)
    resample = Image.Resampling[interpolation.upper()]
    expected = picture.resize(whole, resample).crop((*start, start[0] + 224, start[1] + 224))
    assert np.array_equal(module._resample_region(picture, whole, start, spec), np.asarray(expected))


@pytest.mark.parametrize("size", [(30000, 1), (1, 30000), (1, 1)])
def test_extreme_shapes_are_small_work(size: tuple[int, int]) -> None:
    tensor = preprocess(Image.new("RGB", size, (255, 0, 0)), Preprocessing())
    assert tensor.shape == (3, 224, 224)
    assert np.ptp(tensor, axis=(1, 2)).max() == 0


def test_a_crop_larger_than_the_picture_is_zero_padded_as_torchvision_does() -> None:
    spec = Preprocessing(resize=221, crop=224, mean=(0, 0, 0), std=(1, 1, 1))
    tensor = preprocess(Image.new("RGB", (300, 300), "white"), spec)
    assert tensor[0, 1:222, 1:222].min() == 1
    assert tensor[:, 0].max() == tensor[:, 222:].max() == tensor[:, :, 222:].max() == 0


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
    fast = open_image(data, fast=spec)
    assert min(fast.size) >= spec.resize
    assert fast.size < (3000, 2000)
    assert np.abs(preprocess(fast, spec) - preprocess(open_image(data), spec)).mean() < 0.02


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"just words", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
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


@pytest.mark.parametrize("side", [9_500, 50_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match="decompression bomb"):
        open_image(bomb)
