"""Every module of the zoo through the gate, for both default formats: published wrongly 0, refused by mistake 0."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.zoo.examine import FORMATS, Examined, examine
from tests.zoo.right import RIGHT
from tests.zoo.wrong import WRONG

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PROCESSES = 2

LIMITS = {
    "autograd_function": {"torchscript"},
    "by_numpy": {"torchscript", "onnx"},
    "buffers": {"onnx"},
    "values_are_checked": {"onnx"},
}
"""Right modules, and the formats whose frameworks cannot take them; they have to say so in a line."""

SCORES = {
    "softmax_inside": "probabilities",
    "sharp_softmax_inside": "probabilities",
    "log_softmax_inside": "log-probabilities",
    "sigmoid_inside": "independent",
    "rare_sigmoids_inside": "independent",
}

RANDOM = "draws random numbers"
COMPANY = "depend on the other pictures of its batch"
STATE = "keeps something from one call"
FIRST = "depends on its first call"
FROZEN = "takes a Python value from its input's values"
MISMATCH = "does not match PyTorch"
REASONS = {
    "dropout_at_inference": RANDOM,
    "noise": RANDOM,
    "noise_of_numpy": RANDOM,
    "noise_of_python": RANDOM,
    "batch_statistics": COMPANY,
    "softmax_over_the_batch": COMPANY,
    "scaled_by_the_batch": COMPANY,
    "attention_over_the_batch": COMPANY,
    "place_in_the_batch": COMPANY,
    "large_batches_differ": COMPANY,
    "odd_batches_differ": COMPANY,
    "single_pictures_differ": COMPANY,
    "chunks_of_sixteen": COMPANY,
    "counts_its_calls": STATE,
    "keeps_its_hidden_state": STATE,
    "changes_its_weights": STATE,
    "cache_of_the_first_batch": FIRST,
    "cache_of_the_first_size": FIRST,
    "frozen_branch": FROZEN,
    "frozen_comparison": FROZEN,
    "frozen_number": FROZEN,
    "python_loop_over_the_batch": FROZEN,
    "nan_for_black": "NaN or infinity, for picture 4",
    "every_class_masked": "masks every class",
    "one_score_for_all": "every class the same score",
    "half_scores": "returns torch.float16",
    "bfloat16_inside": "casts to another precision",
    "two_outputs": "returns a tuple",
    "feature_maps": "[1, 16, 8, 8]",
    "another_way_when_exported": MISMATCH,
    "slightly_another_way_when_exported": MISMATCH,
    "another_way_for_dark_pictures_when_exported": MISMATCH,
    "another_softmax_when_exported": MISMATCH,
    "operator_of_this_process": "zoo::swish is registered by code that a server does not have",
}
"""What the refusal of each wrong module has to say."""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Examined]:
    """Everything that is kept, by name; each process takes every second one."""
    kept = [(HERE / "right.py", list(RIGHT)), (HERE / "wrong.py", list(WRONG))]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, spawn) as pool:
        parts = [
            pool.submit(examine, str(file), names[start::PROCESSES], tmp_path_factory.mktemp("zoo"))
            for start in range(PROCESSES)
            for file, names in kept
        ]
        found = {examined.name: examined for part in parts for examined in part.result()}
    print(table(found))
    return found


def table(found: dict[str, Examined]) -> str:
    """A line for each module: its kind, its situation, what became of it."""
    rows = []
    for name, examined in found.items():
        kind = "right" if name in RIGHT else "wrong"
        outcome = "; ".join(f"{where}: {why:.80}" for where, why in examined.refusals.items()) or "would be published"
        rows.append(f"{kind:5}  {name:45}  {outcome}")
    return "\n".join(sorted(rows))


def is_published(examined: Examined) -> bool:
    """Nothing is published unless every format passes."""
    return not examined.refusals


def test_there_are_enough_of_each() -> None:
    assert len(RIGHT) >= 40
    assert len(WRONG) >= 20
    assert set(REASONS) == set(WRONG)


def test_none_is_published_wrongly(zoo: dict[str, Examined]) -> None:
    assert [name for name in WRONG if is_published(zoo[name])] == []
    for name in WRONG:
        passed = {format.name for format in FORMATS} - set(zoo[name].refusals)
        assert "module" in zoo[name].refusals or not passed, f"{name} passes as {passed}"


def test_none_is_refused_by_mistake(zoo: dict[str, Examined]) -> None:
    mistakes = {name: zoo[name].refusals for name in RIGHT if not set(zoo[name].refusals) <= LIMITS.get(name, set())}
    assert mistakes == {}


@pytest.mark.parametrize("name", REASONS)
def test_the_refusal_says_what_is_wrong(name: str, zoo: dict[str, Examined]) -> None:
    said = " ".join(zoo[name].refusals.values())
    assert REASONS[name] in said
    assert "Traceback" not in said
    assert "\n" not in said


@pytest.mark.parametrize("name", LIMITS)
def test_what_a_framework_cannot_take_is_refused_in_a_line(name: str, zoo: dict[str, Examined]) -> None:
    for said in zoo[name].refusals.values():
        assert "\n" not in said
        assert len(said) < 600


@pytest.mark.parametrize("name", RIGHT)
def test_scores_are_seen(name: str, zoo: dict[str, Examined]) -> None:
    if zoo[name].scores is None:
        pytest.fail(str(zoo[name].refusals))
    assert zoo[name].scores == SCORES.get(name, "logits")
    assert any(notice.startswith("scores:") for notice in zoo[name].notices) == (name in SCORES)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("data_parallel", "taken off: DataParallel"),
        ("compiled", "taken off: OptimizedModule"),
        ("compiled_in_place", "taken off: Module.compile"),
        ("half_checkpoint", "parameters of torch.float16 are made float32"),
        ("bfloat16_checkpoint", "parameters of torch.bfloat16 are made float32"),
        ("double_checkpoint", "parameters of torch.float64 are made float32"),
    ],
)
def test_what_is_changed_is_said(name: str, said: str, zoo: dict[str, Examined]) -> None:
    assert any(said in notice for notice in zoo[name].notices)
