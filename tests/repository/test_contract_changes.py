"""What is said of two versions whose contracts differ."""

from dataclasses import replace

import pytest
from tritonclient.grpc.model_config_pb2 import TYPE_FP16

from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.repository.config import model_config, to_text
from tritonrepo.repository.contract_changes import find_changes
from tritonrepo.repository.formats import FORMATS
from tritonrepo.repository.layout import parse_config
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.serving import Serving
from tritonrepo.repository.spec import ModelSpec

LABELS = ("ant", "bee", "cat")
SPEC = ModelSpec("net", labels=LABELS, synsets=("n1", "n2", "n3"), preprocessing=Preprocessing())
PIXELS = Preprocessing.of_steps(SPEC.preprocessing.placing, layout="NHWC", dtype="UINT8")
TRAINED = Weights("file a.pth", "0" * 64, trained=True)


def text(spec: ModelSpec, serving: Serving | None = None, weights: Weights = TRAINED) -> str:
    return to_text(model_config(spec, FORMATS["onnx"], serving or Serving(), weights))


def changes(spec: ModelSpec, serving: Serving | None = None, weights: Weights = TRAINED) -> tuple[str, ...]:
    return find_changes(text(SPEC), SPEC.labels, text(spec, serving, weights), spec.labels)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (SPEC, ()),
        (
            replace(SPEC, preprocessing=Preprocessing(resize=288)),
            ("preprocessing step 1: short side 256 (bilinear) -> short side 288 (bilinear)",),
        ),
        (replace(SPEC, scores="probabilities"), ("scores: logits -> probabilities",)),
        (
            replace(SPEC, labels=("ant", "bug", "cow")),
            ("labels: 2 of 3 differ, first class 1: 'bee' -> 'bug'",),
        ),
        (replace(SPEC, synsets=("n1", "n2", "n4")), ("synsets: 1 of 3 differ, first class 2: 'n3' -> 'n4'",)),
        (replace(SPEC, synsets=()), ("synsets: 3 -> 0",)),
        (
            replace(SPEC, labels=("ant", "bee"), synsets=()),
            ("classes: 3 -> 2", "synsets: 3 -> 0", "labels: 3 -> 2"),
        ),
    ],
)  # fmt: skip
def test_each_field_is_named(spec: ModelSpec, said: tuple[str, ...]) -> None:
    assert changes(spec) == said


def test_another_crop_changes_the_input_too() -> None:
    step, input_ = changes(replace(SPEC, preprocessing=Preprocessing(crop=192)))
    assert step.startswith("preprocessing step 2: ")
    assert input_ == "input: INPUT__0 FP32 [3, 224, 224] -> INPUT__0 FP32 [3, 192, 192]"


def test_another_type_of_the_scores_is_named() -> None:
    """Two versions with the same names and classes that no one configuration fits."""
    config = parse_config(text(SPEC), "net")
    config.output[0].data_type = TYPE_FP16
    found = find_changes(text(SPEC), LABELS, to_text(config), LABELS)
    assert found == ("output: OUTPUT__0 FP32 -> OUTPUT__0 FP16",)


def test_pixels_instead_of_normalised_images() -> None:
    steps, input_ = changes(replace(SPEC, preprocessing=PIXELS))
    assert steps.startswith("preprocessing steps: ")
    assert input_ == "input: INPUT__0 FP32 [3, 224, 224] -> INPUT__0 UINT8 [224, 224, 3]"


def test_the_batch_and_whether_the_weights_are_trained() -> None:
    untrained = replace(TRAINED, trained=False)
    assert changes(SPEC, Serving(max_batch_size=8), untrained) == ("largest batch: 64 -> 8", "trained: yes -> no")


def test_what_is_no_contract_is_left_out() -> None:
    """Other exporters' configurations, and steps of ensembles, have labels at most."""
    assert find_changes("max_batch_size: 1", (), text(SPEC), LABELS) == ("labels: 0 -> 3",)
    assert find_changes("no configuration", LABELS, text(SPEC), LABELS) == ()
    broken = text(SPEC).replace('resize\\":256', 'resize\\":[]')
    assert broken != text(SPEC)
    assert find_changes(broken, LABELS, text(SPEC), LABELS) == ()
