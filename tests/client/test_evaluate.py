"""Accuracy: intervals, class names, data sets, and what is kept of the mistakes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tritonrepo.client.contract import ModelContract, Tensor
from tritonrepo.client.decode import Prediction
from tritonrepo.client.errors import UsageError
from tritonrepo.client.evaluate import Example, Outcome, Rate, Score, class_index, examples, outcome, read_outcomes
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.results import Result

LABELS = ("tench, Tinca tinca", "crane", "crane", "tabby, tabby cat")
CONTRACT = ModelContract(
    name="net",
    max_batch_size=8,
    batched=True,
    input=Tensor("INPUT__0", "FP32", (3, 224, 224)),
    output=Tensor("OUTPUT__0", "FP32", (4,)),
    preprocessing=Preprocessing(),
    trained=True,
    synsets=("n01440764", "n02012849", "n03126707", "n02123045"),
)
CLASSES = class_index(CONTRACT, LABELS)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # R: binom::binom.wilson(hits, count)
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (8, 10, 0.4902, 0.9433), (750, 1000, 0.7222, 0.7758)],
)
def test_intervals_are_wilsons(hits: int, count: int, low: float, high: float) -> None:
    assert Rate(hits, count).interval == pytest.approx((low, high), abs=1e-4)


def test_classes_go_by_synset_label_part_and_index_but_not_by_a_shared_name() -> None:
    names = ("n02123045", "Tabby, tabby cat", "tabby cat", "3")
    assert {CLASSES[name.lower()] for name in names} == {3}
    assert "crane" not in CLASSES
    assert CLASSES["n03126707"] == 2


def test_folders_are_classes(tmp_path: Path) -> None:
    for name in ("n02123045/b.png", "n02123045/a.png", "tench/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [(Path(e.name).name, e.truth) for e in examples(tmp_path, CLASSES)]
    assert found == [("a.png", 3), ("b.png", 3), ("c.png", 0)]


def test_a_csv_is_a_data_set(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("label,image\ntabby,a b.png\nn01440764,https://example.org/x.png\n")
    first, second = examples(path, CLASSES)
    assert (first.truth, first.source.content) == (3, tmp_path / "a b.png")
    assert (second.truth, second.source.content) == (0, "https://example.org/x.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [("image,class\n", "columns `image` and `label`"), ("image,label\na.png,zebra\nb.png,crane\n", "'crane', 'zebra'")],
)
def test_a_wrong_csv_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "set.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        examples(path, CLASSES)


def test_wrong_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such directory"):
        examples(tmp_path / "missing", CLASSES)
    with pytest.raises(UsageError, match="no folders"):
        examples(tmp_path, CLASSES)
    (tmp_path / "zebra").mkdir()
    with pytest.raises(UsageError, match="no class 'zebra'"):
        examples(tmp_path, CLASSES)


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


def test_examples_have_their_images_name(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "a.png").touch()
    (example,) = examples(tmp_path, CLASSES)
    assert isinstance(example, Example)
    assert example.name == str(tmp_path / "3" / "a.png")
