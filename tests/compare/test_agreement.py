"""Agreement of two models' logits, by known numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tritonrepo.client.decode import softmax
from tritonrepo.compare.agreement import compare
from tritonrepo.compare.criteria import TOLERANCE

NAMES = tuple(f"{number}.jpg" for number in range(6))
LOGITS = np.random.default_rng(0).normal(0, 2, (6, 10))


def test_the_same_logits_agree() -> None:
    found = compare("b", "a", NAMES, LOGITS.copy(), LOGITS)
    assert (found.worst_difference, found.worst_shift, found.top1, found.top5) == (0, 0, 1, 1)
    assert found.differing == ()
    assert found.within(0)


def test_a_constant_is_no_difference() -> None:
    assert compare("b", "a", NAMES, LOGITS + 7, LOGITS).worst_shift == pytest.approx(0, abs=1e-12)


def test_probabilities_by_hand() -> None:
    found = compare("b", "a", ("x", "y"), np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 0.0]]))
    other = 1 / (1 + math.exp(-2)) - 0.5
    assert found.worst_difference == pytest.approx(other)
    assert found.mean_difference == pytest.approx(other / 2)
    assert found.top1 == 1.0


def test_a_swapped_class_is_found_even_where_the_first_class_is_the_same() -> None:
    logits = LOGITS.copy()
    logits[:, 0] += 20
    swapped = logits[:, [0, 1, 3, 2, *range(4, 10)]]
    found = compare("b", "a", NAMES, swapped, logits)
    assert found.top1 == 1
    assert found.worst_difference < 1e-4
    assert found.worst_shift > 2 * TOLERANCE
    assert not found.within(TOLERANCE)


def test_the_differing_images_are_named_worst_first() -> None:
    got = LOGITS.copy()
    for row, boost in ((1, 3.0), (4, 9.0)):
        got[row, LOGITS[row].argmin()] = LOGITS[row].max() + boost
    found = compare("b", "a", NAMES, got, LOGITS)
    assert [one.image for one in found.differing] == ["4.jpg", "1.jpg"]
    assert found.differing[0].reference_class == LOGITS[4].argmax()
    assert found.differing[0].model_class == LOGITS[4].argmin()
    assert found.top1 == pytest.approx(4 / 6)
    assert found.top5 < 1


def test_rounding_to_half_precision_agrees() -> None:
    half = LOGITS.astype(np.float16).astype(np.float64)
    assert compare("b", "a", NAMES, half, LOGITS).within(TOLERANCE)


def test_nan_never_agrees() -> None:
    broken = LOGITS.copy()
    broken[2, 3] = np.nan
    assert not compare("b", "a", NAMES, broken, LOGITS).within(1e9)


def test_models_that_never_agree_do_not_agree_beside_an_outlier() -> None:
    """One class masked by -1e4 made the standard deviation 3,000, and every difference a small share of it."""
    masked = np.hstack([LOGITS, np.full((6, 1), -1e4)])
    other = np.hstack([LOGITS[:, ::-1], np.full((6, 1), -1e4)])
    found = compare("b", "a", NAMES, other, masked)
    assert found.top1 == 0
    assert found.worst_shift > 1
    assert not found.within(TOLERANCE)
    assert compare("b", "a", NAMES, masked + 1e-4, masked).within(TOLERANCE)


@pytest.mark.parametrize("mask", [-1e4, -math.inf])
def test_classes_masked_by_both_agree_also_in_half_precision(mask: float) -> None:
    masked = np.hstack([LOGITS, np.full((6, 5), mask)])
    assert compare("b", "a", NAMES, masked.astype(np.float16).astype(np.float64), masked).within(TOLERANCE)


def test_a_class_masked_by_one_alone_is_no_agreement() -> None:
    masked = LOGITS.copy()
    masked[:, 3] = -math.inf
    assert not compare("b", "a", NAMES, masked, LOGITS).within(1e9)
    assert not compare("b", "a", NAMES, np.full_like(LOGITS, -math.inf), np.full_like(LOGITS, -math.inf)).within(1e9)


def test_another_first_class_on_most_images_is_no_agreement_whatever_the_rest_says() -> None:
    logits = LOGITS.copy()
    logits[:, 0] = logits[:, 1] = 9.0
    swapped = logits.copy()
    swapped[:, 1] += 1e-9
    found = compare("b", "a", NAMES, swapped, logits)
    assert found.worst_shift < 1e-6
    assert not found.within(TOLERANCE)
    swapped[3:, 1] = 9.0
    assert compare("b", "a", NAMES, swapped, logits).within(TOLERANCE)


def test_a_probability_is_judged_beside_the_logits() -> None:
    """Classes that lie in groups far apart: the spread is wide, and the first two are close."""
    logits = np.tile([0.0, 0.1, -40, -80, -120, -160], (6, 1))
    found = compare("b", "a", NAMES, logits + np.array([0, -1.2, 0, 0, 0, 0]), logits)
    assert found.worst_shift < TOLERANCE
    assert found.worst_difference > TOLERANCE
    assert not found.within(TOLERANCE)


def test_probabilities_are_not_taken_through_softmax_again() -> None:
    certain = softmax(LOGITS * 3)
    found = compare("b", "a", NAMES, certain[:, ::-1], certain, ("probabilities", "probabilities"))
    assert found.worst_difference == pytest.approx(np.abs(certain[:, ::-1] - certain).max())
    assert not found.within(TOLERANCE)
    mixed = compare("b", "a", NAMES, certain, LOGITS * 3, ("probabilities", "logits"))
    assert mixed.worst_difference < 1e-12
    assert mixed.top1 == 1


def test_independent_scores_are_compared_by_their_odds() -> None:
    """Softmax would not see that all are moved alike; each is a probability by itself."""
    rare, common = (1 / (1 + np.exp(-LOGITS - shift)) for shift in (-1, 1))
    assert not compare("b", "a", NAMES, rare, common, ("independent", "independent")).within(TOLERANCE)
    assert compare("b", "a", NAMES, rare + 1e-6, rare, ("independent", "independent")).within(TOLERANCE)


def test_infinity_never_agrees() -> None:
    broken = LOGITS.copy()
    broken[2, 3] = math.inf
    assert not compare("b", "a", NAMES, broken, LOGITS).within(1e9)
    assert not compare("b", "a", NAMES, broken, broken).within(1e9)
