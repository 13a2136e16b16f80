"""Accuracy: intervals, and what is kept of the mistakes."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from scipy.stats import binomtest

from tritonrepo.client.decode import Prediction
from tritonrepo.client.evaluate import Outcome, Rate, Score, outcome
from tritonrepo.client.results import Result

LABELS = ("tench, Tinca tinca", "crane", "crane", "tabby, tabby cat")


@pytest.mark.parametrize("count", [1, 2, 10, 1000, 50_000])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.5, 0.77, 1.0])
def test_intervals_are_wilsons_as_scipy_has_them(share: float, count: int) -> None:
    hits = round(share * count)
    expected = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert Rate(hits, count).interval == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_of_nothing_nothing_is_known() -> None:
    assert Rate(0, 0).interval == (0.0, 1.0)
    assert math.isnan(Rate(0, 0).value)


def test_an_outcome_is_the_rank_of_the_truth() -> None:
    predictions = tuple(Prediction(index, LABELS[index], 0.5, 1.0) for index in (3, 0))
    result = Result("a.png", "net", "1", predictions)
    assert outcome(0, result).rank == 2
    assert outcome(1, result).rank is None
    assert outcome(0, Result("a.png", "net", error="torn")).error == "torn"


def test_a_score_counts_and_keeps_the_worst() -> None:
    score = Score(worst=2)
    right = Outcome("right.png", "net", truth=0, predicted=0, probability=0.9, rank=1)
    for one in (
        right,
        dataclasses.replace(right, image="second.png", predicted=3, rank=2, probability=0.4),
        dataclasses.replace(right, image="sure.png", predicted=3, rank=None, probability=0.99),
        dataclasses.replace(right, image="sixth.png", predicted=2, rank=None, probability=0.5),
        Outcome("torn.png", "net", truth=0, error="torn"),
    ):
        score.add(one)
    assert (score.top1, score.top5, score.failed) == (Rate(1, 4), Rate(2, 4), 1)
    assert score.confusions() == [(0, 3, 2), (0, 2, 1)]
    assert [one.image for one in score.worst()] == ["sure.png", "sixth.png"]


def test_the_json_of_nothing_is_valid_json() -> None:
    failed = Score()
    failed.add(Outcome("torn.png", "net", truth=0, error="torn"))
    for score, failures in ((Score(), 0), (failed, 1)):
        found = json.loads(json.dumps(score.as_dict(LABELS), allow_nan=False))
        assert (found["images"], found["failed"]) == (0, failures)
        assert {found[key] for key in ("top1", "top1_interval", "top5", "top5_interval")} == {None}


def test_the_versions_that_answered_are_known() -> None:
    score = Score()
    for version in ("1", "2", ""):
        score.add(Outcome("a.png", "net", truth=0, predicted=0, rank=1, version=version))
    assert score.versions == {"1", "2"}


def test_another_truth_gives_another_rank() -> None:
    one = Outcome("a.png", "net", truth=0, predicted=3, rank=2, best=(3, 0, 2))
    assert [one.under(truth).rank for truth in range(4)] == [2, None, 3, 1]
    failed = Outcome("a.png", "net", truth=0, error="torn")
    assert failed.under(2) == dataclasses.replace(failed, truth=2)
