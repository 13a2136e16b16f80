"""golden.npz: a few pictures in the directory of a version, and the scores that its verified artifact gave for them.

A release sends the pictures to each server, prepared as a client prepares them, and compares what it answers. They are
photographs made small. Whatever the pipeline of a network is, it makes them as large as it wants; so one file of half a
megabyte at most does for pixels, for normalised images and for image files, and for any store.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.decode import Scores, probabilities
from tritonrepo.repository.errors import GoldenError
from tritonrepo.repository.tolerance import Tolerance, disagreement

PICTURES = 5
SIDE = 160
"""Pixels of a square: 384,000 bytes for all pictures, before they are packed."""
MOST_CLASSES = 4096
"""Of more classes than these, so many evenly spaced ones are kept: 81,920 bytes for all pictures."""
_KINDS = {"pictures": "u", "classes": "i", "scores": "f", "best": "i", "probability": "f", "total": "i"}
_BROKEN = (zipfile.BadZipFile, zlib.error)
"""Beside errors of Python itself, what a damaged archive raises."""


@dataclass(frozen=True)
class Golden:
    """Pictures and their scores.

    Attributes:
        pictures: UINT8 `[N, height, width, 3]`, RGB.
        classes: The numbers of those that are kept, ascending: `[kept]`.
        scores: FP32 `[N, kept]`, as the artifact gives them.
        best: The best of all classes, for each picture.
        probability: Of that class, for each picture.
        total: How many classes the network has.
    """

    pictures: NDArray[np.uint8]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]
    best: NDArray[np.int64]
    probability: NDArray[np.float64]
    total: int

    @classmethod
    def of(cls, pictures: NDArray[np.uint8], values: NDArray[np.float32], scores: Scores) -> "Golden":
        """Keep what an artifact gave.

        Args:
            pictures: UINT8 `[N, height, width, 3]`, RGB.
            values: FP32 `[N, classes]`.
            scores: What they are.
        """
        total, best = values.shape[1], values.argmax(axis=1)
        classes = np.unique(np.linspace(0, total - 1, min(total, MOST_CLASSES)).round().astype(np.int64))
        likely = probabilities(values, scores)[np.arange(len(best)), best]
        return cls(pictures, classes, values[:, classes], best, likely, total)

    def to_bytes(self) -> bytes:
        """What is in the file; `from_bytes` reads it."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **vars(self))
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Golden":
        """Read what `to_bytes` wrote. Raises `GoldenError` if it is something else."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                found = {name: file[name] for name in _KINDS}
        except (OSError, ValueError, KeyError, EOFError, MemoryError, RuntimeError, *_BROKEN) as exc:
            raise GoldenError(f"the golden images cannot be read: {exc}") from exc
        read = cls(**{**found, "total": int(found["total"])}) if found["total"].ndim == 0 else None
        if read is None or any(found[name].dtype.kind != kind for name, kind in _KINDS.items()) or not read.is_whole():
            raise GoldenError("the golden images are not as an export writes them")
        return read

    def is_whole(self) -> bool:
        """Whether all arrays have the shapes that belong together."""
        count, kept = len(self.pictures), len(self.classes)
        return (
            count > 0
            and self.pictures.ndim == 4
            and self.pictures.shape[3] == 3
            and self.scores.shape == (count, kept)
            and self.best.shape == self.probability.shape == (count,)
            and self.classes.shape == (kept,)
            and kept > 0
            and 0 <= int(self.classes.min()) <= int(self.classes.max()) < self.total
            and 0 <= int(self.best.min()) <= int(self.best.max()) < self.total
        )

    def find_fault(self, answered: NDArray[np.float32], scores: Scores, size: float, tolerance: Tolerance) -> str:
        """What is wrong with a server's answers; empty if they are those of the artifact.

        Args:
            answered: `[N, classes]`, for each of the pictures.
            scores: What the values are.
            size: The scale of the scores, of which the tolerance is a share.
            tolerance: How far one may be off.
        """
        if answered.shape != (len(self.pictures), self.total):
            return f"answers with {list(answered.shape)}, expected {[len(self.pictures), self.total]}"
        wrong = (np.isnan(answered) | np.isposinf(answered)).any(axis=1)
        if wrong.any():
            return f"answers with NaN or infinity for golden image {int(np.argmax(wrong))}"
        kept = answered[:, self.classes]
        if (found := disagreement(kept, self.scores, scores, size, tolerance)) is not None:
            row, column = found
            return (
                f"answers wrongly: class {self.classes[column]} of golden image {row} is {kept[row, column]:.6g}, "
                f"where the verified artifact gave {self.scores[row, column]:.6g}; the tolerance is "
                f"{tolerance.share * size:.3g}"
            )
        rows = np.arange(len(self.best))
        apart = np.abs(probabilities(answered, scores)[rows, self.best] - self.probability)
        if apart.max() > tolerance.probability:
            row = int(np.argmax(apart))
            return (
                f"answers wrongly: the probability of class {self.best[row]} of golden image {row} is off by "
                f"{apart[row]:.3g}, more than {tolerance.probability:g}"
            )
        return ""
