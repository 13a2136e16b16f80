"""Accuracy: intervals, and what is kept of the mistakes."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from scipy.stats import binomtest

from tritonrepo.client.decode import Prediction
from tritonrepo.client.errors import UsageError
from tritonrepo.client.evaluate import Outcome, Rate, Score, outcome, read_outcomes
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


def test_outcomes_survive_a_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    kept = Outcome("caf\udce9.png", "net", 0, 3, 0.25, None)
    path.write_text(kept.as_json() + "\n" + '{"image": "torn')
    outcomes, size = read_outcomes(path)
    assert outcomes == [kept]
    assert size == len(kept.as_json()) + 1
    path.write_text('{"images": 3}\n')
    with pytest.raises(UsageError, match="not written by"):
        read_outcomes(path)
