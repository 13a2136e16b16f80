"""A short attack; `make abuse` is the long one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.abuse.attack import Target, attack
from tests.abuse.requests import make
from tests.abuse.served import served

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def target(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    repository = tmp_path_factory.mktemp("abuse") / "model_repository"
    shutil.copytree(tiny_repository / "tiny_onnx", repository / "tiny_onnx")
    with served(repository) as target:
        yield target


def test_it_stays_ready_and_right(target: Target) -> None:
    result = attack(target, make(seed=1, count=150))
    assert result.wrong == 0
    assert {kind: outcome.let_in for kind, outcome in result.outcomes.items() if outcome.let_in} == {}
    assert {kind: outcome.ended for kind, outcome in result.outcomes.items() if outcome.ended} == {}
    assert not any(outcome.answers["silence"] for outcome in result.outcomes.values())


def test_the_same_seed_makes_the_same_requests() -> None:
    assert make(seed=3, count=40) == make(seed=3, count=40)
