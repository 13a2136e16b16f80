"""config.pbtxt against golden files. `python -m tests.repository.test_config` writes them anew; read the difference."""

from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.client.class_sets import IMAGENET, synsets
from tritonrepo.client.decode import Scores
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step
from tritonrepo.repository.config import hands_over, model_config, to_text
from tritonrepo.repository.formats import ONNX, PT2, TORCHSCRIPT, Format
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.serving import Serving
from tritonrepo.repository.spec import ModelSpec

GOLDEN = Path(__file__).parent / "golden"
SPEC = ModelSpec("net", labels=("tabby, tabby cat", "dog: big", "eel"), synsets=("n1", "n2", "n3"))
WEIGHTS = Weights("seeded 0", "0123abcd", trained=False)
CASES = {
    "torchscript": (TORCHSCRIPT, Serving()),
    "torchscript_tuned": (TORCHSCRIPT, Serving(8, queue_delay_us=500, instances=2, cpu_threads=4)),
    "pt2": (PT2, Serving(8, instances=2, cpu_threads=4)),
    "onnx": (ONNX, Serving()),
    "onnx_tuned": (ONNX, Serving(1, cpu_threads=1)),
    "onnx_queued": (ONNX, Serving(8, max_queue_size=16, queue_timeout_ms=500, priority_levels=3)),
}


def text(format: Format, serving: Serving) -> str:
    return to_text(model_config(SPEC, format, serving, WEIGHTS))


@pytest.mark.parametrize("case", CASES)
def test_text_is_golden_and_parses_back(case: str) -> None:
    written = text(*CASES[case])
    assert written == (GOLDEN / f"{case}.pbtxt").read_text()
    assert text_format.Parse(written, ModelConfig()) == model_config(SPEC, *CASES[case], WEIGHTS)


@pytest.mark.parametrize(
    ("serving", "expected"),
    [
        (Serving(), True),
        (Serving(queue_delay_us=500), True),
        (Serving(max_queue_size=256), False),
        (Serving(queue_timeout_ms=500), False),
        (Serving(priority_levels=3), False),
    ],
)
def test_triton_hands_a_batch_over_early_where_nothing_limits_the_queue(serving: Serving, expected: bool) -> None:
    assert hands_over(model_config(SPEC, ONNX, serving, WEIGHTS)) is expected


def test_without_a_batcher_nothing_waits_for_it() -> None:
    assert hands_over(ModelConfig())


def test_the_contract_is_in_the_parameters() -> None:
    parameters = model_config(SPEC, ONNX, Serving(), WEIGHTS).parameters
    assert Preprocessing.from_json(parameters["preprocessing"].string_value) == SPEC.preprocessing
    assert parameters["trained"].string_value == "false"
    assert parameters["synsets"].string_value == "n1 n2 n3"


def test_imagenets_classes_are_named_as_a_set_and_not_written_out() -> None:
    labels = tuple(f"label {index}" for index in range(1000))
    imagenets = replace(SPEC, labels=labels, synsets=synsets(IMAGENET))
    parameters = model_config(imagenets, ONNX, Serving(), WEIGHTS).parameters
    assert parameters["class_set"].string_value == "imagenet-1k"
    assert "synsets" not in parameters


def test_a_preprocessing_of_schema_2_is_written_with_the_input_that_it_fills() -> None:
    steps: list[Step] = [Resize(96, 160, "contain"), Crop(96, 160), Scale(), Normalise((0.5,), (0.5,))]
    spec = replace(SPEC, preprocessing=Preprocessing.of_steps(steps, channels="L"))
    config = model_config(spec, ONNX, Serving(), WEIGHTS)
    assert list(config.input[0].dims) == [1, 96, 160]
    assert Preprocessing.from_json(config.parameters["preprocessing"].string_value) == spec.preprocessing


@pytest.mark.parametrize("scores", ["probabilities", "log-probabilities", "independent"])
def test_scores_that_are_no_logits_are_declared(scores: Scores) -> None:
    parameters = model_config(replace(SPEC, scores=scores), ONNX, Serving(), WEIGHTS).parameters
    assert parameters["scores"].string_value == scores


@pytest.mark.parametrize("scores", [None, "logits"])
def test_logits_are_not_declared_so_that_their_configurations_stay_as_they_were(scores: Scores | None) -> None:
    assert model_config(replace(SPEC, scores=scores), ONNX, Serving(), WEIGHTS) == model_config(
        SPEC, ONNX, Serving(), WEIGHTS
    )
    assert "scores" not in text(ONNX, Serving())


def test_each_backend_has_its_own_spelling_of_threads() -> None:
    serving = Serving(cpu_threads=3)
    torchscript = model_config(SPEC, TORCHSCRIPT, serving, WEIGHTS).parameters
    onnx = model_config(SPEC, ONNX, serving, WEIGHTS).parameters
    assert torchscript["INTRA_OP_THREAD_COUNT"].string_value == "3"
    assert onnx["intra_op_thread_count"].string_value == "3"
    assert "intra_op_thread_count" not in torchscript
    assert "INTRA_OP_THREAD_COUNT" not in onnx


def test_pytorch_is_never_told_the_threads_between_operators() -> None:
    """It lets a process set them once: Triton would abort when it loads a second model."""
    for threads in (1, 4):
        parameters = model_config(SPEC, TORCHSCRIPT, Serving(cpu_threads=threads), WEIGHTS).parameters
        assert not [key for key in parameters if "inter_op" in key.lower()]


def test_preferred_batch_sizes_are_left_to_triton() -> None:
    assert not model_config(SPEC, ONNX, Serving(), WEIGHTS).dynamic_batching.preferred_batch_size


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, case in CASES.items():
        (GOLDEN / f"{name}.pbtxt").write_text(text(*case))
