"""Softmax, top-N, and Triton's classification strings."""

from __future__ import annotations

import numpy as np
import pytest

from tritonrepo.client.decode import parse_classification, softmax, top
from tritonrepo.client.errors import ContractError


def test_softmax_survives_logits_that_overflow() -> None:
    probabilities = softmax(np.array([[1e4, 1e4 - 1, -1e4]], np.float32))
    assert probabilities[0].tolist() == pytest.approx([1 / (1 + np.exp(-1)), np.exp(-1) / (1 + np.exp(-1)), 0.0])
    assert probabilities.dtype == np.float64


def test_softmax_of_half_precision_is_computed_in_double() -> None:
    logits = np.linspace(-4, 4, 1000).astype(np.float16)
    assert abs(softmax(logits).sum() - 1) < 1e-12


def test_equal_logits_are_ordered_by_index() -> None:
    logits = np.array([1.0, 3.0, 2.0, 3.0, 2.0], np.float32)
    assert [p.index for p in top(logits, list("abcde"), 4)] == [1, 3, 2, 4]


def test_order_follows_the_logits_where_probabilities_are_equal() -> None:
    logits = np.array([-800.0, -799.0, 0.0], np.float32)
    assert [p.index for p in top(logits, list("abc"), 3)] == [2, 1, 0]


def test_more_than_there_are_gives_all() -> None:
    assert len(top(np.zeros(3, np.float32), list("abc"), 10)) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(ContractError, match="NaN or infinity"):
        top(np.array([0.0, bad], np.float32), ["a", "b"], 1)


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ContractError, match=r"shape \[3\] for 2 labels"):
        top(np.zeros(3, np.float32), ["a", "b"], 1)


def test_labels_may_hold_colons_and_commas() -> None:
    entries = np.array([b"1.5:3:fox: red, common", b"-0.25:0:ant", b"0.1:7", b"0:1:caf\xff"], object)
    assert [(p.index, p.label, p.score) for p in parse_classification(entries)] == [
        (3, "fox: red, common", 1.5),
        (0, "ant", -0.25),
        (7, "7", 0.1),
        (1, "caf�", 0.0),
    ]


def test_what_is_no_classification_is_refused() -> None:
    with pytest.raises(ContractError, match="score:index:label"):
        parse_classification(np.array([b"tabby"], object))
