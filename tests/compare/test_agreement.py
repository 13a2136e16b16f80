"""Agreement of two models' logits, by known numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

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
