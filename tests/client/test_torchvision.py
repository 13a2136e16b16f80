"""Preprocessing against torchvision's own output, made once by tests/make_torchvision_reference.py."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.client.reference_images import PIPELINES, reference_images
from tritonrepo.client.preprocess import Preprocessing, preprocess

TABLE = json.loads((Path(__file__).parent / "data" / "torchvision_reference.json").read_text())


@cache
def images() -> dict[str, Any]:
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return dict(reference_images(Path(spec.origin).parent / "data"))


@pytest.mark.parametrize("case", TABLE["cases"])
def test_it_is_torchvisions_bit_for_bit(case: str) -> None:
    pipeline, name = case.split(" | ")
    resize, crop, interpolation = PIPELINES[pipeline]
    tensor = preprocess(images()[name], Preprocessing(resize, crop, interpolation))
    expected = TABLE["cases"][case]
    sample = tensor[:, :: TABLE["stride"], :: TABLE["stride"]].ravel()
    assert np.abs(sample - np.array(expected["sample"])).max() < 1e-6
    assert hashlib.sha256(tensor.tobytes()).hexdigest() == expected["sha256"]


def test_the_table_covers_every_picture() -> None:
    assert {case.split(" | ")[1] for case in TABLE["cases"]} == images().keys()
