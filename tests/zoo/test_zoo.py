"""A handful of the zoo through the gate, for both default formats; `python -m benchmarks.gate_zoo` takes all of it."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.exporting import CONTEXT
from tests.zoo.examine import FORMATS, Examined, examine
from tests.zoo.expected import LIMITS, REASONS, SCORES
from tests.zoo.right import RIGHT
from tests.zoo.wrong import WRONG

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
SOME_RIGHT = ("changes_its_input", "one_class_masked_by_a_number", "softmax_inside", "autograd_function")
SOME_WRONG = (
    "cache_of_the_first_batch", "frozen_branch", "chunks_of_sixteen", "slightly_another_way_when_exported",
    "operator_of_this_process", "two_outputs",
)  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Examined]:
    """What became of each, by name."""
    root = tmp_path_factory.mktemp("zoo")
    some = (("right.py", SOME_RIGHT), ("wrong.py", SOME_WRONG))
    factories = [f"{HERE / file}:{name}" for file, names in some for name in names]
    with ProcessPoolExecutor(1, CONTEXT) as pool:
        return {examined.name: examined for examined in pool.submit(examine, factories, root).result()}


def test_there_are_enough_of_each_and_all_have_a_reason() -> None:
    assert len(RIGHT) >= 40
    assert len(WRONG) >= 20
    assert set(REASONS) == set(WRONG)
    assert set(LIMITS) | set(SCORES) <= set(RIGHT)


@pytest.mark.parametrize("name", SOME_WRONG)
def test_a_wrong_one_passes_in_no_format_and_it_is_said_why(name: str, zoo: dict[str, Examined]) -> None:
    refusals = zoo[name].refusals
    assert "module" in refusals or set(refusals) == {format.name for format in FORMATS}
    said = " ".join(refusals.values())
    assert REASONS[name] in said
    assert "\n" not in said


@pytest.mark.parametrize("name", SOME_RIGHT)
def test_a_right_one_passes_where_its_framework_can_take_it(name: str, zoo: dict[str, Examined]) -> None:
    assert set(zoo[name].refusals) == LIMITS.get(name, set())
    assert zoo[name].scores == SCORES.get(name, "logits")
    said = f"scores: {zoo[name].scores}, because"
    assert any(notice.startswith(said) for notice in zoo[name].notices)
