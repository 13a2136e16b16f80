"""Bytes by hand."""

import json

import pytest

from tests.compare.capacity.cells import PREPROCESSING
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Crop, Resize
from tritonrepo.compare.capacity.network import bytes_of_image, gigabits


def test_bytes_of_an_image() -> None:
    assert bytes_of_image({**PREPROCESSING, "crop": 100}, 5_000) == {"fp32": 120_000, "uint8": 30_000, "encoded": 5_000}


def test_pixels_are_as_many_in_the_other_layout() -> None:
    pixels = Preprocessing.of_steps([Resize(256, 256), Crop(224, 224)], layout="NHWC", dtype="UINT8")
    assert bytes_of_image(json.loads(pixels.to_json()))["fp32"] == 602_112


def test_gigabits() -> None:
    assert gigabits(602_112, 20_000) == pytest.approx(96.34, abs=0.01)
