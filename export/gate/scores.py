"""What a module's scores are, seen from their values, so that no client applies softmax a second time."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.decode import Scores
from tritonrepo.client.errors import UsageError

SUM_TOLERANCE = 2e-3
"""How far a row of probabilities may be from adding up to 1: half precision inside rounds each to 5e-4 of itself."""

EXPLANATIONS: Mapping[Scores, str] = {
    "probabilities": "each picture's scores lie in 0 to 1 and add up to 1, so a softmax is inside the module",
    "log-probabilities": "the exponentials of each picture's scores add up to 1, so a log-softmax is inside the module",
    "independent": "all scores lie in 0 to 1 and do not add up to 1, so a sigmoid is inside the module",
}


def seen(values: NDArray[Any]) -> Scores:
    """The kind of `[N, classes]`, N of some different pictures. All that cannot be another kind are logits."""
    exact = np.asarray(values, np.float64)
    if _adds_up(exact):
        return "probabilities"
    if exact.max() <= SUM_TOLERANCE and _adds_up(np.exp(exact)):
        return "log-probabilities"
    return "independent" if _within_0_and_1(exact) else "logits"


def settle(stated: Scores | None, values: NDArray[Any]) -> Scores:
    """The kind that is stated, or else the one that is seen.

    Raises:
        UsageError: The values cannot be what is stated.
    """
    found = seen(values)
    if stated is None or stated == found or stated == "logits":
        return stated or found
    if stated == "independent" and _within_0_and_1(np.asarray(values, np.float64)):
        return stated
    row = np.asarray(values, np.float64)[0]
    raise UsageError(
        f"the spec says that the scores are {stated}, and they cannot be: those of the first picture lie in "
        f"{row.min():.4g} to {row.max():.4g} and add up to {row.sum():.4g}; they look like {found}"
    )


def _adds_up(values: NDArray[np.float64]) -> bool:
    """Whether each row is a probability distribution."""
    return _within_0_and_1(values) and bool((np.abs(values.sum(axis=1) - 1) <= SUM_TOLERANCE).all())


def _within_0_and_1(values: NDArray[np.float64]) -> bool:
    return bool(values.min() >= 0 and values.max() <= 1 + SUM_TOLERANCE)
