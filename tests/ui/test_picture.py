"""What becomes of a file that is dropped, before any model is asked."""

from __future__ import annotations

import asyncio
import io
import re
from html import escape
from pathlib import Path

import pytest
from nicegui.elements.upload_files import LargeFileUpload, SmallFileUpload
from PIL import Image

from tritonrepo.ui.page import LARGEST_FILE, open_picture


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    found = asyncio.run(open_picture(LargeFileUpload("large.png", "image/png", path)))
    assert (found.name, found.problem) == ("large.png", "67,108,865 bytes, more than the limit of 67,108,864")
    assert found.thumbnail is None


def png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty file"),
        (b"<?xml version='1.0'?><svg width='9'/>", "an SVG drawing, which is not read here; convert it to PNG or JPEG"),
        (png(Image.new("RGB", (64, 64), "red"))[:90], "damaged image: .*"),
        (
            png(Image.new("1", (20_000, 20_000))),
            "decompression bomb: 400,000,000 pixels, more than the 89,478,485 that are safe to decode",
        ),
    ],
    ids=["empty", "svg", "torn", "huge"],
)
def test_a_file_that_is_no_picture_for_a_model_gets_a_sentence(data: bytes, sentence: str) -> None:
    found = asyncio.run(open_picture(SmallFileUpload("a.png", "image/png", data)))
    assert re.fullmatch(sentence, found.problem)
    assert found.thumbnail is None
    assert escape(found.problem) in found.html()


def test_a_picture_is_turned_upright_and_gets_a_thumbnail() -> None:
    data = io.BytesIO()
    picture = Image.new("CMYK", (600, 300))
    exif = picture.getexif()
    exif[0x0112] = 6  # a quarter turn
    picture.save(data, "JPEG", exif=exif)
    found = asyncio.run(open_picture(SmallFileUpload("turned.jpg", "image/jpeg", data.getvalue())))
    assert found.problem == ""
    assert found.thumbnail is not None
    assert Image.open(io.BytesIO(found.thumbnail)).size == (128, 256)
