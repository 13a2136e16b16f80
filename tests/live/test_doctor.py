"""doctor against the embedded Triton: it says `fail` of what does not load or answers wrongly, and of no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tests.conftest import ShortLived
from tests.live.releases import Release
from tritonrepo.client.classifier import Classifier
from tritonrepo.client.options import Options
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.serve.errors import StartError
from tritonrepo.serve.triton import TritonServer

pytestmark = [pytest.mark.live, pytest.mark.slow]
LABELS = [f"class {number}" for number in range(10)]
SOUND = Release(32, 0.5, LABELS)


def config(old: str, new: str) -> Callable[[Path], None]:
    def plant(model: Path) -> None:
        path = model / "config.pbtxt"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return plant


def labels(text: str) -> Callable[[Path], None]:
    def plant(model: Path) -> None:
        (model / "labels.txt").write_text(text)

    return plant


def named(count: int) -> str:
    return "".join(f"class {number}\n" for number in range(count))


def cubes(model: Path) -> None:
    """The same scores as [10, 1, 1], as a convolution gives them."""
    weights = SOUND.weights().T[:, :, None, None]
    x = helper.make_tensor_value_info("INPUT__0", TensorProto.FLOAT, ["n", 3, 32, 32])
    y = helper.make_tensor_value_info("OUTPUT__0", TensorProto.FLOAT, ["n", 10, 1, 1])
    nodes = [
        helper.make_node("GlobalAveragePool", ["INPUT__0"], ["pooled"]),
        helper.make_node("Conv", ["pooled", "weights"], ["OUTPUT__0"]),
    ]
    graph = helper.make_graph(nodes, "net", [x], [y], [numpy_helper.from_array(weights, "weights")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save_model(made, str(model / "1" / "model.onnx"))


def cubes_in_the_config(model: Path) -> None:
    cubes(model)
    config("dims: [ 10 ]", "dims: [ 10, 1, 1 ]")(model)


def cubes_reshaped(model: Path) -> None:
    cubes(model)
    config("dims: [ 10 ]", "dims: [ 10 ] reshape { shape: [ 10, 1, 1 ] }")(model)


def labels_of_the_version(model: Path) -> None:
    (model / "labels.txt").rename(model / "1" / "labels.txt")
    config('"labels.txt"', '"1/labels.txt"')(model)


def torn(model: Path) -> None:
    path = model / "1" / "model.onnx"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_version(model: Path) -> None:
    shutil.rmtree(model / "1")


# What is planted, and whether the model loads and answers right.
PLANTS: dict[str, tuple[Callable[[Path], None], bool]] = {
    "sound": (lambda _: None, True),
    "eight_labels": (labels(named(8)), True),
    "twelve_labels": (labels(named(12)), True),
    "no_label_at_all": (labels(""), True),
    "blank_lines_at_the_end": (labels(named(10) + "\n\n"), True),
    "crlf": (labels(named(10).replace("\n", "  \r\n")), True),
    "no_label_file": (lambda model: (model / "labels.txt").unlink(), False),
    "no_label_filename": (config(' label_filename: "labels.txt"', ""), True),
    "labels_of_the_version": (labels_of_the_version, True),
    "cubes": (cubes_in_the_config, True),
    "cubes_reshaped": (cubes_reshaped, True),
    "cubes_unsaid": (cubes, False),
    "twelve_classes": (config("dims: [ 10 ]", "dims: [ 12 ]"), False),
    "any_classes": (config("dims: [ 10 ]", "dims: [ -1 ]"), False),
    "half_scores": (config("TYPE_FP32 dims: [ 10 ]", "TYPE_FP16 dims: [ 10 ]"), False),
    "other_side": (config("dims: [ 3, 32, 32 ]", "dims: [ 3, 24, 24 ]"), False),
    "other_output": (config("OUTPUT__0", "OUTPUT__1"), False),
    "no_name": (config('name: "no_name"', ""), True),
    "other_name": (config('name: "other_name"', 'name: "another"'), False),
    "no_backend": (config('backend: "onnxruntime"', ""), True),
    "old_platform": (config('backend: "onnxruntime"', 'platform: "onnxruntime_onnx"'), True),
    "torn": (torn, False),
    "torn_config": (config("output {", "output"), False),
    "no_version": (no_version, False),
    "absent_version": (config("max_batch_size", "version_policy { specific { versions: 7 } } max_batch_size"), False),
    "absent_too": (config("max_batch_size", "version_policy { specific { versions: [1, 7] } } max_batch_size"), True),
    "takes_none": (config("max_batch_size", "version_policy { latest { num_versions: 0 } } max_batch_size"), False),
}


def plant(repository: Path, name: str) -> Path:
    model = repository / name
    SOUND.write(model / "1" / "model.onnx")
    (model / "config.pbtxt").write_text(SOUND.config().replace('"net_onnx"', f'"{name}"'))
    (model / "labels.txt").write_text(named(10))
    PLANTS[name][0](model)
    return model


def answers_right(url: str, name: str, picture: Path) -> bool:
    wanted = SOUND.expected(picture)
    with Classifier(url, name) as classifier:
        (result,) = classifier.classify([picture], Options(top=10))
    found = {prediction.index: prediction for prediction in result.predictions}
    assert all(found[number].label in (label, str(number)) for number, label in enumerate(LABELS))
    scores = [found[number].score for number in range(10)]
    return scores == pytest.approx([*wanted.values()], abs=1e-3)


def test_a_failure_is_what_does_not_load_or_answers_wrongly(tmp_path: Path) -> None:
    repository, picture = tmp_path / "models", tmp_path / "picture.png"
    repository.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(picture)
    for name in PLANTS:
        plant(repository, name)
    failing = {f.subject.split("/")[0] for f in examine_repository(repository, "26.11") if f.level == "fail"}
    with ShortLived(repository) as server:
        ready = {status.name for status in server.models() if status.state == "READY"}
        right = {name for name in ready if answers_right(server.grpc_url, name, picture)}
    assert right == {name for name, (_, fine) in PLANTS.items() if fine}
    assert failing == PLANTS.keys() - right


def test_labels_that_are_a_directory_end_the_whole_server(tmp_path: Path) -> None:
    """Another thing than a missing file, so doctor says which."""
    model = plant(tmp_path / "models", "no_label_file")
    (model / "labels.txt").mkdir()
    (fault,) = [f for f in examine_repository(tmp_path / "models", "26.11") if f.level == "fail"]
    assert fault.text == "labels.txt is a directory, at which Triton aborts"
    with pytest.raises(StartError, match="ended with status 134"), TritonServer(tmp_path / "models"):
        pass
