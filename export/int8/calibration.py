"""The photographs on which ranges are measured, and others, on which the loss is judged: never the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tritonrepo.client.decode import Scores
from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import copies, photographs
from tritonrepo.export.gate.consistency import array, call
from tritonrepo.export.gate.rounding import BATCH, Unseen
from tritonrepo.repository.digest import sha256

FEWEST, MOST = 32, 256
"""Pictures that ranges are measured on: mirrored and turned where there are fewer, evenly chosen of more."""
JUDGED = 48
"""Pictures that judge: one of them is 2%, so that the limit of 96% leaves room for one."""
FEW = 8
"""Different photographs below which the ranges are worth a warning."""


@dataclass(frozen=True)
class Calibration:
    """On what ranges are measured, and who judges.

    Attributes:
        images: As the artifact takes them, for the ranges.
        unseen: The photographs that judge.
        source: What the images are, in words.
    """

    images: NDArray[Any]
    unseen: Unseen
    source: str


def split(directory: Path | None, verification: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The photographs to measure ranges on, and those of the verification that are not among them.

    Args:
        directory: Of the former. None: every second one of the verification's.
        verification: The photographs on which artifacts are verified.

    Raises:
        UsageError: There are none, or none is left to judge.
    """
    if directory is None:
        if len(verification) < 2:
            raise UsageError("INT8 needs photographs to measure ranges on, and others to judge: give --calibration DIR")
        return list(verification[::2]), list(verification[1::2])
    chosen = photographs.find(directory, "--calibration")
    if len(chosen) > MOST:
        chosen = [chosen[index] for index in np.linspace(0, len(chosen) - 1, MOST).round().astype(int)]
    seen = {sha256(path) for path in chosen}
    left = [path for path in verification if sha256(path) not in seen]
    if not left:
        raise UsageError(
            f"{directory} holds every photograph of the verification, and none is left to judge; give others with "
            "--calibration or --images"
        )
    return chosen, left


def prepare(
    module: nn.Module,
    preprocessing: Preprocessing,
    scores: Scores,
    chosen: tuple[Sequence[Path], Sequence[Path]],
    directory: Path | None,
    notice: Callable[[str], None],
) -> Calibration:
    """Make the pictures, and see what the module gives for those that judge.

    Args:
        module: It is not called: a copy is.
        preprocessing: The model's.
        scores: What its values are.
        chosen: As `split` gives them.
        directory: As in `split`.
        notice: Is told what is taken.

    Raises:
        UsageError: A file is not an image.
    """
    ranges, judges = chosen
    count = max(len(ranges), FEWEST)
    source = f"{len(ranges)} photographs of {directory}"
    if directory is None:
        source = f"{len(ranges)} of the {len(ranges) + len(judges)} verification photographs"
    notice(
        f"calibration: ranges are measured on {source}, {len(judges)} others judge"
        + ("; --calibration DIR takes photographs like those that the model will see" if directory is None else "")
    )
    if directory is not None and len(ranges) < FEW:
        notice(f"calibration: {len(ranges)} photographs are few; the loss on others is measured, and stands below")
    images = photographs.batch(judges, preprocessing, JUDGED)
    called = copies.fresh(module)
    values = [array(call(called, images[start : start + BATCH])) for start in range(0, JUDGED, BATCH)]
    unseen = Unseen(images, np.concatenate(values), scores)
    return Calibration(photographs.batch(ranges, preprocessing, count), unseen, source)
