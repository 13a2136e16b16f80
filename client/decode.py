"""A model's scores -> predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.errors import ContractError
from tritonrepo.client.text import clean_label

Scores = Literal["logits", "probabilities", "log-probabilities", "independent"]
"""What a model's output is: logits, that softmax makes probabilities; probabilities that add up to 1, or their
logarithms; or a value for each class by itself, as sigmoid gives it."""
_ROUNDING = 0.01
"""A log-probability may be above 0 by so much: half precision rounds the largest logit by 0.004 near 8."""
SCORES: tuple[Scores, ...] = get_args(Scores)


@dataclass(frozen=True)
class Prediction:
    """One class for an image.

    Attributes:
        index: The class's.
        label: The class's, its index as text where it has none.
        probability: 0..1, or none where the server chose the classes and only their logits are known. Independent
            scores are shown as they are, and do not add up to 1.
        score: The model's output for the class, of the kind that its contract states.
    """

    index: int
    label: str
    probability: float | None
    score: float


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """[…, classes] of any float type -> probabilities, FP64. Shifted by the maximum, so that nothing overflows."""
    exact = np.asarray(logits, np.float64)
    with np.errstate(over="ignore"):  # The distance of FP64's ends is infinite, and its power 0 as it should be.
        powers = np.exp(exact - exact.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def probabilities(values: NDArray[Any], scores: Scores) -> NDArray[np.float64]:
    """[…, classes] of a model's output -> what to show for each class, FP64.

    Raises:
        ContractError: A logarithm is of more than 1.
    """
    if scores == "logits":
        return softmax(values)
    exact = np.asarray(values, np.float64)
    if scores != "log-probabilities":
        return exact
    if exact.max(initial=-np.inf) > _ROUNDING:
        raise ContractError(
            f"the model answered with {exact.max():g}, and a log-probability is at most 0; are its scores logits?"
        )
    return np.exp(exact)


def check(values: NDArray[Any], scores: Scores) -> None:
    """Refuse what ranks no classes; one image's values, all of them or the best.

    A logit or a logarithm may be -inf, which rules the class out, but not that of every class.

    Raises:
        ContractError: There is NaN or infinity.
    """
    if np.isnan(values).any() or np.isposinf(values).any():
        raise ContractError("the model answered with NaN or infinity")
    ruled_out = np.isneginf(values)
    if ruled_out.any() and (scores in ("probabilities", "independent") or ruled_out.all()):
        raise ContractError(f"the model answered with -inf for {ruled_out.sum()} of {values.size} classes")


def top(
    values: NDArray[Any],
    labels: Sequence[str],
    count: int,
    scores: Scores = "logits",
    threshold: float | None = None,
) -> tuple[Prediction, ...]:
    """The best of one image's [classes] values, in order; of equal ones the lower index comes first.

    Args:
        values: One image's.
        labels: One for each class.
        count: How many predictions.
        scores: What the values are.
        threshold: Instead of `count`, the least probability of a prediction.

    Raises:
        ContractError: The values are not as many as the labels, or as `check`.
    """
    if values.shape != (len(labels),):
        raise ContractError(f"the model answered with shape {list(values.shape)} for {len(labels)} labels")
    check(values, scores)
    shown = probabilities(values, scores)
    # Ordered by the values: two that differ may round to one probability.
    best = np.argsort(-values.astype(np.float64), kind="stable")
    best = best[:count] if threshold is None else best[shown[best] >= threshold]
    return tuple(Prediction(int(i), labels[i], float(shown[i]), float(values[i])) for i in best)


def parse_classification(entries: NDArray[Any], scores: Scores = "logits") -> tuple[Prediction, ...]:
    """Read Triton's `score:index:label` bytes; a label may hold colons, and is the index as text where there is none.

    The server gives the best classes alone. That is enough for probabilities, unless the scores are logits.

    Raises:
        ContractError: They are something else.
    """
    return tuple(_parse_entry(bytes(entry).decode("utf-8", "replace"), scores) for entry in entries)


def _parse_entry(entry: str, scores: Scores) -> Prediction:
    try:
        text, number, *label = entry.split(":", 2)
        index, score = int(number), float(text)
    except ValueError as exc:
        raise ContractError(f"not a classification: {entry!r} (expected score:index:label)") from exc
    name = clean_label(label[0]) if label else ""
    known = None if scores == "logits" else float(probabilities(np.asarray(score), scores))
    return Prediction(index, name or number, known, score)
