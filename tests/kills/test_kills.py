"""A short run; `make kills` is the long one."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kills.clients import is_right
from tests.kills.kill import failed_loads
from tests.kills.releases import expected
from tests.kills.run import run
from tests.live.releases import draw_pictures
from tritonrepo.client import Prediction, Result
from tritonrepo.repository.store.address import Address


@pytest.mark.live
@pytest.mark.slow
def test_a_killed_publish_costs_no_load_and_no_answer(tmp_path: Path) -> None:
    found = run(tmp_path, count=2, seed=1, every=0)
    assert found.problems() == []
    assert found.kills.count == 2
    assert found.loads >= found.kills.published >= 3
    assert all(one.count for one in found.answers.values())


@pytest.mark.live
@pytest.mark.slow
def test_neither_does_one_to_a_bucket(tmp_path: Path, bucket: Address) -> None:
    """The same of a bucket, where a killed writer may leave half of a version."""
    found = run(tmp_path, count=2, seed=1, every=0, bucket=bucket)
    assert found.problems() == []
    assert found.kills.count == 2
    assert all(one.count for one in found.answers.values())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return draw_pictures(tmp_path, 1)[0]


def answer(picture: Path, version: int) -> Result:
    """The right one."""
    scores = expected(version, picture).items()
    found = tuple(Prediction(index, label, 0.1, score) for index, (label, score) in enumerate(scores))
    return Result(str(picture), "net_onnx", str(version), found)


@pytest.mark.parametrize("version", range(1, 40))
def test_another_versions_answer_is_wrong(picture: Path, version: int) -> None:
    right, next_one = answer(picture, version), answer(picture, version + 1)
    assert is_right(right)
    assert not is_right(replace(next_one, version=str(version)))
    labels = [one.label for one in right.predictions]
    mixed = [replace(one, label=label) for one, label in zip(next_one.predictions, labels, strict=False)]
    assert not is_right(replace(right, predictions=tuple(mixed)))


def test_failed_loads_are_found_in_a_log() -> None:
    log = (
        "I1125 22:46:55.417284 2049 model_lifecycle.cc:839] \"successfully loaded 'm'\"\n"
        "E1125 22:46:59.256246 2049 model_lifecycle.cc:642] \"failed to load 'm' version 2: a reason\"\n"
        "E1125 22:47:09.995872 2049 model_repository_manager.cc:1460] \"Poll failed for model 'm': a reason\"\n"
    )
    assert failed_loads(log) == log.splitlines()[1:]
