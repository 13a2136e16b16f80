"""The images that every model gets, prepared once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.sources import expand

Tensors: TypeAlias = NDArray[Any]

MOST_IMAGES = 64


@dataclass(frozen=True)
class Inputs:
    """The images.

    Attributes:
        names: Of each.
        tensors: `[images, …]`, in the shape and type that the models take.
        largest_batch: The largest that `batch` is asked for.
        generated: Whether they are noise, because no image was given.
    """

    names: tuple[str, ...]
    tensors: Tensors
    largest_batch: int
    generated: bool

    def batch(self, number: int, size: int) -> Tensors:
        """The `number`-th batch, `[size, …]`, going round the images; a view, without a copy."""
        start = number * size % len(self.names)
        return self._ring[start : start + size]

    def first(self, count: int) -> Inputs:
        """The first so many of the images."""
        return Inputs(self.names[:count], self.tensors[:count], self.largest_batch, self.generated)

    @cached_property
    def _ring(self) -> Tensors:
        """The images, and as many again as a batch that begins with the last one needs."""
        ring: Tensors = self.tensors[np.arange(len(self.names) + self.largest_batch) % len(self.names)]
        return ring


def prepare(words: Sequence[str], spec: Preprocessing, largest_batch: int) -> Inputs:
    """Prepare the first 64 of the images that are named, or noise where none is.

    Raises:
        ImageError: One cannot be used.
        UsageError: The words name no image.
    """
    if not words:
        noise = _noise((32, *spec.shape), spec.numpy_dtype)
        return Inputs(tuple(f"noise {number}" for number in range(len(noise))), noise, largest_batch, True)
    sources = list(islice(expand(words), MOST_IMAGES))
    if not sources:
        raise UsageError("no image to compare on")
    tensors = np.stack([preprocess(source.load(), spec) for source in sources])
    return Inputs(tuple(source.name for source in sources), tensors, largest_batch, False)


def _noise(shape: tuple[int, ...], dtype: type[np.generic]) -> Tensors:
    """Of every value that pixels have, or of the spread that normalised images have."""
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        return random.integers(0, 256, shape).astype(dtype)
    return random.standard_normal(shape).astype(dtype)
