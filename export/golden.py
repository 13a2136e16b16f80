"""The golden images of an artifact: a few of the photographs, and the scores that it gives for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from tritonrepo.client.images import to_rgb
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.export import photographs
from tritonrepo.export.gate.reference import Reference
from tritonrepo.export.gate.verify import Runner
from tritonrepo.repository.golden import PICTURES, SIDE, Golden
from tritonrepo.repository.layout import GOLDEN_FILENAME
from tritonrepo.repository.manifest import Artifact, GoldenImages
from tritonrepo.repository.scores import comparable, scale
from tritonrepo.repository.tolerance import TOLERANCES, Tolerance


@dataclass(frozen=True)
class Samples:
    """What every artifact of an export is asked.

    Attributes:
        photographs: The files.
        pictures: Made small of them: UINT8 `[N, SIDE, SIDE, 3]`.
        inputs: The pictures as an artifact takes them: `[N, …]`.
    """

    photographs: tuple[Artifact, ...]
    pictures: NDArray[np.uint8]
    inputs: NDArray[Any]


@dataclass(frozen=True)
class Answered:
    """What an artifact gave, and how far a server may be off.

    Attributes:
        golden: Pictures and scores.
        photographs: The files of the pictures.
        scale: How far apart the module's scores lie.
        tolerance: The gate's, of the format.
    """

    golden: Golden
    photographs: tuple[Artifact, ...]
    scale: float
    tolerance: Tolerance

    def write(self, directory: Path) -> GoldenImages:
        """Write golden.npz into a directory; what the manifest says of it. Raises `OSError`."""
        path = directory / GOLDEN_FILENAME
        path.write_bytes(self.golden.to_bytes())
        return GoldenImages(Artifact.of(path), self.photographs, self.scale, self.tolerance)


def choose(paths: Sequence[Path], preprocessing: Preprocessing) -> Samples:
    """Take a few photographs, evenly spaced among all. Raises `UsageError` if a file is not an image."""
    numbers = np.linspace(0, len(paths) - 1, min(len(paths), PICTURES)).round().astype(int)
    chosen = [paths[number] for number in numbers]
    small = [ImageOps.fit(to_rgb(photographs.read(path)), (SIDE, SIDE)) for path in chosen]
    return Samples(
        tuple(Artifact.of(path) for path in chosen),
        np.stack([np.asarray(picture) for picture in small]),
        np.stack([preprocess(picture, preprocessing) for picture in small]),
    )


def ask(run: Runner, samples: Samples, expected: Reference, precision: str) -> Answered:
    """Run a verified artifact on the samples, one by one.

    An artifact of INT8 is held against itself, as the gate does between batches, and not against the module: what it
    loses to that was judged on many photographs.

    Args:
        run: The artifact, in the runtime that is to serve it.
        samples: What it is asked.
        expected: What the module gives.
        precision: Of the format.
    """
    tolerance = TOLERANCES.get(precision, TOLERANCES["FP16"])
    values = np.concatenate([run(samples.inputs[index : index + 1]) for index in range(len(samples.inputs))])
    size = scale(comparable(expected.values, expected.scores, tolerance.faintest))
    golden = Golden.of(samples.pictures, values, expected.scores)
    return Answered(golden, samples.photographs, size, tolerance)
