"""What a load is on the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Any

from tritonrepo.client.preprocess import Preprocessing

ENCODED = 115_000
"""Bytes of an image file: the mean of ImageNet's training set, 147,897,477,120 bytes for 1,281,167 files."""
BYTES_OF_FLOAT = 4


def bytes_of_image(preprocessing: Mapping[str, Any], encoded: float = ENCODED) -> dict[str, float]:
    """Bytes of one image by kind of input, without what HTTP/2 and TCP add (about 1% of a large message).

    Args:
        preprocessing: How the model's images are prepared, which says how large they are.
        encoded: Of an image file, on average.
    """
    values = prod(Preprocessing.from_json(json.dumps(preprocessing)).shape)
    return {"fp32": float(BYTES_OF_FLOAT * values), "uint8": float(values), "encoded": float(encoded)}


def gigabits(size: float, rate: float) -> float:
    """Gbit/s of so many messages of so many bytes a second."""
    return size * rate * 8 / 1e9
