"""The ensemble that takes image files follows the model that it stands on, version by version."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repository.faults import edit_config, failures
from tests.repository.manifests import manifest_of
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.repository.encoded import Encoded, find_followers
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import read_config, version_numbers
from tritonrepo.repository.publish import Publication, open_repository
from tritonrepo.repository.store.local import LocalStore

NAMES = ("net_encoded_decode", "net_encoded_rank", "net_encoded")


def config(resize: int) -> str:
    """Of the smallest model that has a contract."""
    preprocessing = json.dumps(Preprocessing(resize=resize, crop=32).to_json())
    return f"""
name: "net_onnx" backend: "onnxruntime" max_batch_size: 4
input {{ name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3, 32, 32 ] }}
output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }}
parameters {{ key: "preprocessing" value {{ string_value: {preprocessing} }} }}
"""


def publish(models: Path, content: bytes, resize: int = 36, code: str = "pass\n", keep: int = 2) -> list[Publication]:
    with open_repository(models) as repository:
        artifact = repository.workspace("net_onnx") / "model.onnx"
        artifact.write_bytes(content)
        steps = repository.workspace("code")
        for step in ("decode", "rank"):
            (steps / step / "lib").mkdir(parents=True)
            (steps / step / "model.py").write_text(code)
            (steps / step / "lib/help.py").write_text("")
        candidate = Candidate("net_onnx", artifact, config(resize), ("a", "b"), manifest_of(artifact))
        return repository.publish([candidate], keep, [Encoded("net_encoded", "net_onnx", steps)])


def pinned(models: Path) -> dict[str, int]:
    """The version of each step that the ensemble names."""
    return {s.model_name: s.model_version for s in read_config(models / "net_encoded").ensemble_scheduling.step}


def resize_of(models: Path) -> int:
    """The short side to which the first step that is served brings its pictures."""
    parameters = read_config(models / "net_encoded_decode").parameters
    return Preprocessing.from_json(parameters["preprocessing"].string_value).first_size[0]


def test_the_ensemble_names_the_versions_of_its_steps(models: Path) -> None:
    assert publish(models, b"one") == [Publication(1, "published")] * 2
    assert pinned(models) == {"net_encoded_decode": 1, "net_onnx": 1, "net_encoded_rank": 1}
    assert find_followers(LocalStore(models), "net_onnx") == ["net_encoded"]
    assert (models / "net_encoded_decode/1/lib/help.py").stat().st_mode & 0o777 == 0o644
    assert (models / "net_encoded_rank/1/labels.txt").read_text() == "a\nb\n"


def test_nothing_new_makes_no_new_version(models: Path) -> None:
    publish(models, b"one")
    assert publish(models, b"one") == [Publication(1, "unchanged")] * 2
    assert [version_numbers(models / name) for name in NAMES] == [[1]] * 3


def test_other_weights_leave_the_steps_and_other_code_the_model(models: Path) -> None:
    publish(models, b"one")
    publish(models, b"two")
    assert pinned(models) == {"net_encoded_decode": 1, "net_onnx": 2, "net_encoded_rank": 1}
    publish(models, b"two", code="print()\n")
    assert pinned(models) == {"net_encoded_decode": 2, "net_onnx": 2, "net_encoded_rank": 2}
    assert version_numbers(models / "net_encoded") == [2, 3]


def test_another_contract_makes_another_first_step(models: Path) -> None:
    publish(models, b"one", 36)
    publish(models, b"one", 48)
    assert pinned(models) == {"net_encoded_decode": 2, "net_onnx": 2, "net_encoded_rank": 1}
    assert resize_of(models) == 48


def test_a_rollback_takes_the_ensemble_back_to_what_it_stood_on(models: Path) -> None:
    publish(models, b"one", 36)
    publish(models, b"two", 48)
    with open_repository(models) as repository:
        assert repository.roll_back(["net_onnx"]) == {"net_onnx": 1}
    assert pinned(models)["net_onnx"] == 1
    assert resize_of(models) == 36
    assert faults(models) == []


def test_a_rollback_goes_before_the_ensemble_was_made(models: Path) -> None:
    """What the ensemble needs of a version stands in that version."""
    publish(models, b"one", 36)
    for name in NAMES:
        shutil.rmtree(models / name)
    publish(models, b"two", 48)
    with open_repository(models) as repository:
        repository.roll_back(["net_onnx"])
    assert pinned(models) == {"net_encoded_decode": 2, "net_onnx": 1, "net_encoded_rank": 1}
    assert resize_of(models) == 36


@pytest.mark.parametrize("name", NAMES)
def test_neither_it_nor_a_step_goes_back_alone(models: Path, name: str) -> None:
    publish(models, b"one", 36)
    publish(models, b"two", 48)
    with (
        open_repository(models) as repository,
        pytest.raises(PublishError, match="follows net_onnx; roll that back or release it"),
    ):
        repository.roll_back([name])


def faults(models: Path) -> list[tuple[str, str]]:
    """Those of the ensemble and its steps; the model itself is no ONNX here."""
    return [fault for fault in failures(models) if not fault[0].startswith("net_onnx")]


def remove_the_model(models: Path) -> None:
    shutil.rmtree(models / "net_onnx")


def serve_another_version(models: Path) -> None:
    edit_config(models, "versions: 2", "versions: 1", "net_onnx")


def leave_a_step_without_version(models: Path) -> None:
    shutil.rmtree(models / "net_encoded_rank/1")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (remove_the_model, "its step net_onnx is not in the repository"),
        (serve_another_version, "its step net_onnx is to have the version 2, and 1 is served"),
        (leave_a_step_without_version, "its step net_encoded_rank has no version that is served"),
    ],
)
def test_the_doctor_finds_a_step_that_is_not_served(models: Path, spoil: Callable[[Path], None], words: str) -> None:
    publish(models, b"one")
    publish(models, b"two")
    assert faults(models) == []
    spoil(models)
    assert ("net_encoded", words) in faults(models)


def test_the_doctor_finds_changed_code(models: Path) -> None:
    publish(models, b"one")
    (models / "net_encoded_decode/1/lib/help.py").write_text("raise SystemExit\n")
    assert faults(models) == [
        ("net_encoded_decode/1", "the code beside model.py is not what was published: its SHA-256 is another")
    ]


def test_the_doctor_notes_a_step_that_the_official_image_cannot_run(models: Path) -> None:
    publish(models, b"one")
    (models / "net_encoded_decode/1/lib/cpython-311").mkdir()
    notes = [one for one in examine_repository(models, "26.11") if one.level == "note"]
    assert ("net_encoded_decode/1", "holds no Pillow for Python 3.12, the official image's") in [
        (one.subject, one.text) for one in notes
    ]
