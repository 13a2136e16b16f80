"""The ensemble whose pictures DALI decodes: its files, which follow the model, and what is said of it."""

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.repository.faults import failures
from tests.repository.manifests import manifest_of
from tests.repository.test_encoded import config
from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.repository.encoded import Encoded, find_followers
from tritonrepo.repository.encoded_dali import NOT_RUN, write_pipeline
from tritonrepo.repository.layout import read_config
from tritonrepo.repository.manifest import read_manifest
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.store.local import LocalStore

NAME = "net_encoded_dali"
STEP = "net_encoded_dali_decode"


def publish(models: Path, content: bytes, resize: int = 36) -> None:
    with open_repository(models) as repository:
        artifact = repository.workspace("net_onnx") / "model.onnx"
        artifact.write_bytes(content)
        candidate = Candidate("net_onnx", artifact, config(resize), ("a", "b"), manifest_of(artifact))
        repository.publish([candidate], 2, [Encoded(NAME, "net_onnx")])


def words(source: str) -> dict[str, dict[str, Any]]:
    """The keyword arguments of each call in a pipeline, by the name of what is called; names stay names."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {ast.unparse(call.func): {str(word.arg): _value(word.value) for word in call.keywords} for call in calls}


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def test_it_is_two_models_that_say_that_they_were_not_run(models: Path) -> None:
    publish(models, b"one")
    assert {path.name for path in models.iterdir()} >= {NAME, STEP, "net_onnx"}
    for name in (NAME, STEP):
        assert read_config(models / name).parameters["checked"].string_value == NOT_RUN
        assert read_manifest(models / name / "1").verification.runtime == NOT_RUN
    step, ensemble = read_config(models / STEP), read_config(models / NAME)
    assert (step.backend, step.max_batch_size, step.input[0].allow_ragged_batch) == ("dali", 4, True)
    assert [(one.model_name, one.model_version) for one in ensemble.ensemble_scheduling.step] == [
        (STEP, 1),
        ("net_onnx", 1),
    ]
    assert [output.name for output in ensemble.output] == ["OUTPUT__0"]
    assert (models / NAME / "1/labels.txt").read_text() == "a\nb\n"


def test_the_pipeline_does_what_the_contract_says() -> None:
    found = words(write_pipeline("net", Preprocessing(resize=256, crop=224), 8))
    assert found["dali.pipeline_def"]["batch_size"] == 8
    assert found["dali.fn.external_source"]["name"] == "IMAGE"
    assert found["dali.fn.resize"] == {
        "resize_shorter": 256,
        "interp_type": "types.INTERP_LINEAR",
        "antialias": True,
    }
    last = found["dali.fn.crop_mirror_normalize"]
    assert (last["crop"], last["dtype"], last["output_layout"]) == ((224, 224), "types.FLOAT", "CHW")
    assert last["mean"] == pytest.approx([255 * mean for mean in (0.485, 0.456, 0.406)])
    assert last["std"] == pytest.approx([255 * std for std in (0.229, 0.224, 0.225)])


def test_the_values_of_any_steps_are_one_mean_and_one_std() -> None:
    steps: list[Step] = [Resize(96, 160), Scale(127.5, -1.0), Normalise((0.1,) * 3, (0.5,) * 3)]
    found = words(write_pipeline("net", Preprocessing.of_steps(steps, channels="BGR"), 8))
    last = found["dali.fn.crop_mirror_normalize"]
    for value in (0.0, 77.0, 255.0):
        wanted = ((value / 127.5 - 1.0) - 0.1) / 0.5
        assert [(value - m) / s for m, s in zip(last["mean"], last["std"], strict=True)] == pytest.approx([wanted] * 3)
    assert found["dali.fn.resize"]["resize_x"] == 160
    assert found["dali.fn.decoders.image"]["output_type"] == "types.BGR"


def test_pixels_are_not_normalised() -> None:
    pixels = Preprocessing.of_steps(Preprocessing().placing, layout="NHWC", dtype="UINT8")
    last = words(write_pipeline("net", pixels, 8))["dali.fn.crop_mirror_normalize"]
    assert last == {"crop": (224, 224), "dtype": "types.UINT8", "output_layout": "HWC"}


@pytest.mark.parametrize(
    "steps",
    [
        [Resize(64, 64, "contain"), Crop(64, 64)],
        [Resize(64, 64, "cover"), Crop(80, 80)],
        [Resize(64, 96, "cover"), Crop(64, 64)],
        [Crop(64, 64)],
        [Resize(64, 64, interpolation="box")],
    ],
)
def test_what_the_pipeline_cannot_say_is_refused(steps: list[Step]) -> None:
    with pytest.raises(UsageError, match=r"--encoded dali: .*take --encoded without dali"):
        write_pipeline("net", Preprocessing.of_steps([*steps, Scale()]), 8)


def test_it_follows_the_model_and_goes_back_with_it(models: Path) -> None:
    publish(models, b"one", 36)
    assert find_followers(LocalStore(models), "net_onnx") == [NAME]
    publish(models, b"two", 48)
    assert "resize_shorter=48" in (models / STEP / "2/dali.py").read_text()
    with open_repository(models) as repository:
        repository.roll_back(["net_onnx"])
    steps = {one.model_name: one.model_version for one in read_config(models / NAME).ensemble_scheduling.step}
    assert steps["net_onnx"] == 1
    assert "resize_shorter=36" in (models / STEP / str(steps[STEP]) / "dali.py").read_text()


def test_the_doctor_says_what_it_needs_and_finds_a_changed_pipeline(models: Path) -> None:
    publish(models, b"one")
    notes = [one.text for one in examine_repository(models, "26.11") if one.subject == f"{STEP}/1"]
    assert len(notes) == 1
    assert notes[0].startswith("needs Triton's dali backend and a GPU")
    assert NOT_RUN in notes[0]
    with (models / STEP / "1/dali.py").open("a") as file:
        file.write("\n")
    assert any(subject == f"{STEP}/1" and "dali.py has" in text for subject, text in failures(models))
