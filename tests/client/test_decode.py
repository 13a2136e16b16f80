"""Softmax, top-N, and Triton's classification strings."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tritonrepo.client.decode import Scores, check, parse_classification, softmax, top
from tritonrepo.client.errors import ContractError

Values = NDArray[np.float32]


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


VALUES = np.array([0.0625, 0.75, 0.1875], np.float32)
"""Exact in binary, and probabilities that add up to 1."""


@pytest.mark.parametrize(
    ("values", "scores", "shown"),
    [
        (np.log(VALUES), "logits", VALUES),
        (VALUES, "probabilities", VALUES),
        (np.log(VALUES), "log-probabilities", VALUES),
        (VALUES + 0.125, "independent", VALUES + 0.125),
        (np.array([0.0, 1.0, 0.0], np.float32), "probabilities", [0, 1, 0]),
        (np.array([-np.inf, 0.0, -np.inf], np.float32), "log-probabilities", [0, 1, 0]),
        (np.array([-np.inf, 0.0, 0.0], np.float32), "logits", [0, 0.5, 0.5]),
    ],
)
def test_softmax_is_never_applied_twice(values: Values, scores: Scores, shown: Values) -> None:
    found = {p.index: (p.probability, p.score) for p in top(values, list("abc"), 3, scores)}
    assert [found[index][0] for index in range(3)] == pytest.approx(list(shown), rel=1e-6)
    assert [found[index][1] for index in range(3)] == values.tolist()


@pytest.mark.parametrize(
    ("scores", "score", "probability"),
    [
        ("logits", 0.25, None),
        ("probabilities", 0.25, 0.25),
        ("independent", 0.25, 0.25),
        ("log-probabilities", -0.25, np.exp(-0.25)),
    ],
)
def test_the_servers_choice_shows_probabilities_where_its_scores_say_them(
    scores: Scores, score: float, probability: float | None
) -> None:
    (found,) = parse_classification(np.array([f"{score}:1:ant".encode()], object), scores)
    assert (found.index, found.score, found.probability) == (1, score, probability)


@pytest.mark.parametrize("scores", ["logits", "log-probabilities"])
def test_that_every_class_is_ruled_out_is_an_error(scores: Scores) -> None:
    with pytest.raises(ContractError, match="-inf for 3 of 3 classes"):
        top(np.full(3, -np.inf, np.float32), list("abc"), 2, scores)
    check(np.array([-np.inf, 0.0]), scores)


@pytest.mark.parametrize("scores", ["probabilities", "independent"])
def test_a_probability_is_never_infinite(scores: Scores) -> None:
    with pytest.raises(ContractError, match="-inf for 1 of 2 classes"):
        top(np.array([0.5, -np.inf], np.float32), list("ab"), 2, scores)


def test_a_logarithm_of_more_than_one_is_refused() -> None:
    with pytest.raises(ContractError, match=r"answered with 710, and a log-probability is at most 0; are its scores"):
        top(np.array([-1.0, 710.0], np.float32), list("ab"), 1, "log-probabilities")
    with pytest.raises(ContractError, match="answered with 1000,"):
        parse_classification(np.array([b"1000:0:ant"], object), "log-probabilities")
    (best,) = top(np.array([0.002, -8.0], np.float16), list("ab"), 1, "log-probabilities")
    assert best.probability == pytest.approx(1.002, abs=1e-3)


def test_labels_of_a_foreign_servers_file_are_clean() -> None:
    entries = np.array(["1:0:\ufefftench  ".encode(), b"1:1:crane\r", b"1:2: ", b"1:3:a\xc2\xa0b"], object)
    assert [p.label for p in parse_classification(entries)] == ["tench", "crane", "2", "a\xa0b"]


def test_a_threshold_gives_every_class_that_reaches_it_and_no_other() -> None:
    scores = np.array([0.25, 0.75, 0.5, 0.125, 0.875], np.float32)
    found = top(scores, list("abcde"), 1, "independent", threshold=0.5)
    assert [(p.label, p.probability) for p in found] == [("e", 0.875), ("b", 0.75), ("c", 0.5)]
    assert top(scores, list("abcde"), 1, "independent", threshold=0.9) == ()
    assert len(top(scores, list("abcde"), 1, "independent", threshold=0.0)) == 5


def test_a_threshold_is_of_the_probability_whatever_the_scores_are() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float64))
    assert [p.index for p in top(logits + 7, list("abc"), 9, "logits", threshold=0.25)] == [0, 1]
    assert [p.index for p in top(logits, list("abc"), 9, "log-probabilities", threshold=0.25)] == [0, 1]
