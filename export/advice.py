"""What looks wrong about a model and need not be: sentences for the one who exports it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Normalise, Scale, listed

LARGEST_MEAN = 1.0
"""Pixels are in 0 to 1 when the mean is taken off and the standard deviation divided by."""
USUAL_DEVIATION = (0.2, 5.0)
"""Of the network's input over photographs: near 1 where they are normalised, 0.27 where they are left in 0 to 1."""

SAME_SUM = 1e-3
"""Sums that differ by no more than this share are one number."""


def advise_on_inputs(preprocessing: Preprocessing, images: NDArray[np.float32]) -> Iterator[str]:
    """Say it where the normalisation seems to be on another scale.

    Args:
        preprocessing: The model's.
        images: FP32 `[N, channels, H, W]`, preprocessed.
    """
    steps = preprocessing.steps
    for number, step in enumerate(steps):
        if isinstance(step, Normalise) and any(isinstance(before, Scale) for before in steps[:number]):
            yield from _of_another_scale(step)
    deviation = float(images.std(axis=(0, 2, 3), dtype=np.float64).mean())
    low, high = USUAL_DEVIATION
    if not low <= deviation <= high:
        yield (
            f"warning: the network's input has a standard deviation of {deviation:.2g} over the verification pictures, "
            f"and most networks want about 1; its preprocessing is: {preprocessing}"
        )


def advise_on_scores(values: NDArray[np.float32]) -> Iterator[str]:
    """Say it where logits look like probabilities on another scale, such as percent: clients would apply softmax.

    Args:
        values: FP32 `[N, classes]` that are taken for logits.
    """
    sums = values.sum(axis=1, dtype=np.float64)
    if values.min() >= 0 and np.ptp(sums) <= SAME_SUM * sums.max():
        yield (
            f"warning: no score is below 0, and those of each picture add up to {sums.mean():.4g}, like probabilities "
            "on another scale. They are taken for logits, and clients apply softmax to them; if they are "
            f"probabilities, let forward divide them by {sums.mean():.4g}"
        )


def _of_another_scale(step: Normalise) -> Iterator[str]:
    for name, values in (("mean", step.mean), ("std", step.std)):
        if max(values) > LARGEST_MEAN:
            shown = ", ".join(f"{value / 255:.4g}" for value in values)
            yield (
                f"warning: the {name} {listed(values)} looks like one of pixels in 0 to 255. It is applied to pixels "
                f"in 0 to 1; if so, divide it by 255: ({shown})"
            )
