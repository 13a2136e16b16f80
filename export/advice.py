"""What looks wrong about a model and need not be: sentences for the one who exports it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.preprocess import Preprocessing

LARGEST_MEAN = 1.0
"""Pixels are in 0 to 1 when the mean is taken off and the standard deviation divided by."""
USUAL_DEVIATION = (0.2, 5.0)
"""Of the network's input over photographs: near 1 where they are normalised, 0.27 where they are left in 0 to 1."""


def advise_on_inputs(preprocessing: Preprocessing, images: NDArray[np.float32]) -> Iterator[str]:
    """Say it where the normalisation seems to be on another scale.

    Args:
        preprocessing: The model's.
        images: FP32 `[N, 3, H, W]`, preprocessed.
    """
    for name in ("mean", "std"):
        values = getattr(preprocessing, name)
        if max(values) > LARGEST_MEAN:
            shown = ", ".join(f"{value / 255:.4g}" for value in values)
            yield (
                f"warning: the {name} {_list(values)} looks like one of pixels in 0 to 255. It is applied to pixels in "
                f"0 to 1; if so, divide it by 255: ({shown})"
            )
    deviation = float(images.std(axis=(0, 2, 3), dtype=np.float64).mean())
    low, high = USUAL_DEVIATION
    if not low <= deviation <= high:
        yield (
            f"warning: the network's input has a standard deviation of {deviation:.2g} over the verification pictures, "
            f"and most networks want about 1; the mean is {_list(preprocessing.mean)} and the std "
            f"{_list(preprocessing.std)}, of pixels in 0 to 1"
        )


def _list(values: tuple[float, float, float]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"
