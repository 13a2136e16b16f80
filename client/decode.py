"""Logits -> predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.errors import ContractError


@dataclass(frozen=True)
class Prediction:
    """One class for an image.

    Attributes:
        index: The class's.
        label: The class's, its index as text where it has none.
        probability: 0..1, or none where the server chose the classes and only their scores are known.
        score: The model's output for the class (a logit).
    """

    index: int
    label: str
    probability: float | None
    score: float


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """[…, classes] of any float type -> probabilities, FP64. Shifted by the maximum, so that nothing overflows."""
    exact = np.asarray(logits, np.float64)
    powers = np.exp(exact - exact.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def top(logits: NDArray[Any], labels: Sequence[str], count: int) -> tuple[Prediction, ...]:
    """The `count` best of one image's [classes] logits; of equal ones the lower index comes first.

    Raises:
        ContractError: The logits are not as many as the labels, or not all numbers.
    """
    if logits.shape != (len(labels),):
        raise ContractError(f"the model answered with shape {list(logits.shape)} for {len(labels)} labels")
    if np.isnan(logits).any() or np.isposinf(logits).any():
        raise ContractError("the model answered with NaN or infinity")
    probabilities = softmax(logits)
    # Ordered by the logits: two that differ may round to one probability.
    best = np.argsort(-logits.astype(np.float64), kind="stable")[:count]
    return tuple(Prediction(int(i), labels[i], float(probabilities[i]), float(logits[i])) for i in best)


def parse_classification(entries: NDArray[Any]) -> tuple[Prediction, ...]:
    """Read Triton's `score:index:label` bytes; a label may hold colons, and is the index as text where there is none.

    Raises:
        ContractError: They are something else.
    """
    return tuple(_parse_entry(bytes(entry).decode("utf-8", "replace")) for entry in entries)


def _parse_entry(entry: str) -> Prediction:
    try:
        score, index, *label = entry.split(":", 2)
        return Prediction(int(index), label[0] if label else index, None, float(score))
    except ValueError as exc:
        raise ContractError(f"not a classification: {entry!r} (expected score:index:label)") from exc
