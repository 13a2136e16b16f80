"""Which models of a repository a fleet serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repository.faults import publish_plan
from tests.repository.manifests import manifest_of
from tritonrepo.client.errors import UsageError
from tritonrepo.deploy.model_set import choose_models
from tritonrepo.repository.errors import ConfigError, RepositoryError
from tritonrepo.repository.layout import MANIFEST_FILENAME


def add(root: Path, name: str, config: str, **versions: int) -> None:
    """A model with artifacts of so many bytes, by `v1`, `v2` …"""
    (root / name).mkdir(parents=True)
    (root / name / "config.pbtxt").write_text(config)
    for version, size in versions.items():
        directory = root / name / version.removeprefix("v")
        directory.mkdir()
        (directory / "model.onnx").write_bytes(bytes(size))


def test_sizes_come_from_the_manifests_of_what_is_loaded(tmp_path: Path) -> None:
    add(tmp_path, "net_onnx", 'backend: "onnxruntime"', v1=100, v2=70, v10=30)
    version = tmp_path / "net_onnx/10"
    (version / "unused").write_bytes(bytes(5000))
    (version / MANIFEST_FILENAME).write_text(manifest_of(version / "model.onnx").to_json())
    (model,) = choose_models(tmp_path, [], gpu=False).models
    assert (model.name, model.bytes, model.copies, model.needs_gpu) == ("net_onnx", 30, 1, False)


@pytest.mark.parametrize(
    ("policy", "size"),
    [("latest { num_versions: 2 }", 170), ("all { }", 370), ("specific { versions: 1 }", 200), ("", 70)],
)
def test_what_is_loaded_is_what_the_policy_says(tmp_path: Path, policy: str, size: int) -> None:
    add(tmp_path, "net_onnx", f"version_policy {{ {policy} }}", v1=200, v2=100, v3=70)
    assert choose_models(tmp_path, [], gpu=False).models[0].bytes == size


def test_instances_are_counted(tmp_path: Path) -> None:
    add(tmp_path, "net_onnx", "instance_group [ { count: 2 kind: KIND_CPU }, { kind: KIND_AUTO } ]", v1=1)
    assert choose_models(tmp_path, [], gpu=False).models[0].copies == 3


def test_without_a_gpu_what_needs_one_is_left_out(tmp_path: Path) -> None:
    publish_plan(tmp_path)
    add(tmp_path, "tiny_onnx", 'backend: "onnxruntime"', v1=1)
    add(tmp_path, "tiny_torchscript", "instance_group { kind: KIND_GPU }", v1=1)
    served = choose_models(tmp_path, ["tiny"], gpu=False)
    assert [model.name for model in served.models] == ["tiny_onnx"]
    assert served.left_out == ("tiny_tensorrt", "tiny_torchscript")
    assert not served.whole
    assert choose_models(tmp_path, [], gpu=True).whole
    with pytest.raises(UsageError, match="tiny_tensorrt: needs a GPU"):
        choose_models(tmp_path, ["tiny_tensorrt"], gpu=False)


def test_models_that_are_named_are_served_alone(tmp_path: Path) -> None:
    for name in ("net_onnx", "net_torchscript", "other_onnx"):
        add(tmp_path, name, "", v1=1)
    served = choose_models(tmp_path, ["net"], gpu=False)
    assert [model.name for model in served.models] == ["net_onnx", "net_torchscript"]
    assert not served.whole
    with pytest.raises(UsageError, match="no model 'nat'; it has net_onnx, net_torchscript, other_onnx"):
        choose_models(tmp_path, ["nat", "net"], gpu=False)


def test_a_repository_with_nothing_to_serve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="there is no model repository"):
        choose_models(tmp_path / "missing", [], gpu=True)
    with pytest.raises(RepositoryError, match="is empty"):
        choose_models(tmp_path, [], gpu=True)
    add(tmp_path, "net_tensorrt", 'backend: "tensorrt"', v1=1)
    with pytest.raises(RepositoryError, match="without a GPU"):
        choose_models(tmp_path, [], gpu=False)
    add(tmp_path, "net_onnx", "")
    with pytest.raises(RepositoryError, match="has no version"):
        choose_models(tmp_path, [], gpu=True)
    (tmp_path / "net_onnx/config.pbtxt").write_text("{")
    with pytest.raises(ConfigError):
        choose_models(tmp_path, [], gpu=True)


def test_an_ensemble_goes_with_its_model_and_needs_the_gpu_of_its_steps(tmp_path: Path) -> None:
    publish_plan(tmp_path)
    step = 'ensemble_scheduling { step { model_name: "tiny_tensorrt" model_version: 1 } }'
    add(tmp_path, "tiny_encoded", f'platform: "ensemble" {step}', v1=1)
    add(tmp_path, "tiny_encoded_decode", 'backend: "python"', v1=1)
    assert choose_models(tmp_path, ["tiny"], gpu=False).left_out == ("tiny_encoded", "tiny_tensorrt")
    assert choose_models(tmp_path, ["tiny"], gpu=True).whole
