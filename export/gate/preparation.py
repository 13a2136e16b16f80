"""The gate of preprocessing: a contract prepares images as the source's own code does, or it is refused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.export import photographs
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate import odd
from tritonrepo.export.gate.suspicion import suspect
from tritonrepo.export.sources.loaded import Transform

TOLERANCE = 1e-6
"""Of values of 1, and so much relative to larger ones: the order of two roundings of FP32, of 6e-8 each, and no grey
level, which is 0.004 and more."""
MOST_PHOTOGRAPHS = 12

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Preparation:
    """How far the two were apart.

    Attributes:
        pictures: How many were prepared in both ways.
        difference: The largest difference of a value, relative where the value is above 1.
    """

    pictures: int
    difference: float


def check(own: Transform, preprocessing: Preprocessing, paths: Sequence[Path]) -> Preparation:
    """Prepare photographs and odd pictures in both ways.

    Args:
        own: The source's own way.
        preprocessing: The contract's.
        paths: Photographs.

    Raises:
        VerificationError: They differ; the message says on which picture, by how much, and what it looks like.
        UsageError: A file is not an image.
    """
    worst, count = 0.0, 0
    for name, picture in _pictures(paths):
        wanted = _run(own, name, picture)
        found = preprocess(picture, preprocessing)
        if wanted.shape != found.shape:
            raise VerificationError(
                f"preprocessing: {own.name} makes {list(wanted.shape)} of {name}, the contract {list(found.shape)}: "
                f"{preprocessing}"
            )
        apart = difference(found, wanted)
        if not apart <= TOLERANCE:
            raise VerificationError(
                f"preprocessing: {own.name} and the contract differ by {apart:.2g} on {name}, and {TOLERANCE:g} is "
                f"allowed: {suspect(picture, preprocessing, wanted)}. The contract: {preprocessing}"
            )
        worst, count = max(worst, apart), count + 1
    return Preparation(count, worst)


def apart_on_tensors(own: Transform, paths: Sequence[Path]) -> float | None:
    """The largest difference on MOST_PHOTOGRAPHS between the source's two ways; None where it has one.

    Raises:
        VerificationError: The source's own code fails.
        UsageError: A file is not an image.
    """
    if own.on_tensors is None:
        return None
    other = replace(own, run=own.on_tensors)
    pictures = [(path.name, photographs.read(path)) for path in paths[:MOST_PHOTOGRAPHS]]
    return max(difference(_run(own, *named), _run(other, *named)) for named in pictures)


def difference(found: Images, wanted: Images) -> float:
    """The largest of a value, relative where the value is above 1; NaN where either has one."""
    scale = np.maximum(np.abs(wanted, dtype=np.float64), 1.0)
    return float((np.abs(found.astype(np.float64) - wanted) / scale).max())


def _run(own: Transform, name: str, picture: Image.Image) -> Images:
    try:
        return own.run(picture)
    except Exception as exc:  # a library's code, on a picture that nobody may have tried
        raise VerificationError(f"preprocessing: {own.name} fails on {name}: {type(exc).__name__}: {exc}") from exc


def _pictures(paths: Sequence[Path]) -> Iterator[tuple[str, Image.Image]]:
    for path in paths[:MOST_PHOTOGRAPHS]:
        yield path.name, photographs.read(path)
    yield from odd.make(photographs.read(paths[0]))
