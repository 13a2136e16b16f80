"""Who is of another opinion."""

from __future__ import annotations

import pytest

from tritonrepo.client.decode import Prediction
from tritonrepo.client.results import Result
from tritonrepo.ui.panel import Opinion
from tritonrepo.ui.verdict import dissent, sentence

LABELS = ("crane", "cat", "dog", "crane")
REORDERED = ("dog", "Cat ", "crane")


def opinion(model: str, index: int, labels: tuple[str, ...] = LABELS, trained: bool = True) -> Opinion:
    return Opinion(Result("x", model, "1", (Prediction(index, labels[index], 0.9, 1.0),)), 0.1, trained, labels)


def failed(model: str) -> Opinion:
    return Opinion(Result("x", model, error="away"))


@pytest.mark.parametrize(
    ("opinions", "differing", "said"),
    [
        ([], set(), "no model has answered"),
        ([failed("a")], set(), "no model has answered"),
        ([opinion("a", 1), failed("b")], set(), "one model has answered"),
        ([opinion("a", 1), opinion("b", 1)], set(), "all 2 models name the same first class"),
        ([opinion("a", 1), opinion("b", 2), opinion("c", 2)], {"a"}, "1 of 3 models names another first class"),
        ([opinion("a", 1), opinion("b", 2)], {"b"}, "1 of 2 models names another first class"),
        ([opinion("a", 1, trained=False), opinion("b", 2)], {"a"}, "1 of 2 models names another first class"),
        # Two classes of one label are two classes, and one class may have another index in another model.
        ([opinion("a", 0), opinion("b", 3)], {"b"}, "1 of 2 models names another first class"),
        ([opinion("a", 2), opinion("b", 0, REORDERED)], set(), "all 2 models name the same first class"),
        ([opinion("a", 1), opinion("b", 1, REORDERED)], set(), "all 2 models name the same first class"),
        ([opinion("a", 2), opinion("b", 2, REORDERED)], {"b"}, "1 of 2 models names another first class"),
    ],
)
def test_the_models_that_differ_are_told(opinions: list[Opinion], differing: set[str], said: str) -> None:
    assert dissent(opinions) == differing
    assert sentence(opinions) == said
