"""The execution accelerator `openvino` of the stand-in for Triton's onnxruntime backend."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.conftest import TINY_SIDE, tiny_module
from tests.serve.models import configuration, identity_onnx, parameters
from tritonrepo.export import to_onnx
from tritonrepo.repository.on_openvino import OpenVinoSession
from tritonrepo.serve.backends.settings import ConfigurationError


def accelerated(name: str = "openvino", **changes: Any) -> dict[str, Any]:
    accelerator = {"name": name, "parameters": changes.pop("accelerator", {})}
    return configuration(
        optimization={"execution_accelerators": {"cpu_execution_accelerator": [accelerator]}}, **changes
    )


def test_openvino_computes_what_onnx_runtime_computes_at_every_batch_size(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    to_onnx.convert(tiny_module(), (3, TINY_SIDE, TINY_SIDE), path)
    runtime = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    session = OpenVinoSession(path, threads=1)
    described = [(one.name, one.type, one.shape) for one in (*session.get_inputs(), *session.get_outputs())]
    assert described[0] == ("INPUT__0", "tensor(float)", (None, 3, TINY_SIDE, TINY_SIDE))
    earlier = []
    for size in (1, 5, 2, 64):
        images = np.random.default_rng(size).standard_normal((size, 3, TINY_SIDE, TINY_SIDE)).astype(np.float32)
        wanted = runtime.run(["OUTPUT__0"], {"INPUT__0": images})[0]
        earlier.append((session.run(["OUTPUT__0"], {"INPUT__0": images})[0], wanted))
    for found, wanted in earlier:  # at the end: no answer lies in memory that a later call writes to
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_stand_in_loads_it_and_holds_it_to_the_same_rules(stand_ins: dict[str, ModuleType], tmp_path: Path) -> None:
    module, path = stand_ins["onnxruntime"], identity_onnx(tmp_path / "model.onnx", ["n", 3])
    session = module.load_session(path, accelerated(accelerator={"num_streams": "2"}))
    assert isinstance(session, OpenVinoSession)
    module.validate(accelerated(), session)
    with pytest.raises(ConfigurationError, match="model provides TYPE_FP32"):
        module.validate(accelerated(input=[{"name": "X", "data_type": "TYPE_FP16", "dims": ["3"]}]), session)
    model = module.TritonPythonModel()
    (tmp_path / "1").mkdir()
    identity_onnx(tmp_path / "1" / "model.onnx", ["n", 3])
    args = {"model_config": json.dumps(accelerated()), "model_repository": str(tmp_path), "model_version": "1"}
    model.initialize(args)
    given = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    np.testing.assert_array_equal(model.run({"X": given})["Y"], given)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (accelerated("tvm"), "unknown Execution Accelerator 'tvm' is requested"),
        (accelerated(accelerator={"num_streams": "many"}), "num_streams: failed to convert 'many'"),
        (accelerated(parameters=parameters(intra_op_thread_count="two")), "intra_op_thread_count: failed to convert"),
        (accelerated(parameters=parameters(execution_mode="2")), "execution_mode: expected 0 or 1, not 2"),
    ],
)
def test_settings_that_are_refused(
    stand_ins: dict[str, ModuleType], tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    path = identity_onnx(tmp_path / "model.onnx", ["n", 3])
    with pytest.raises(ConfigurationError, match=message):
        stand_ins["onnxruntime"].load_session(path, config)


def test_without_the_package_it_is_refused_with_the_command(
    stand_ins: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name))
    path = identity_onnx(tmp_path / "model.onnx", ["n", 3])
    with pytest.raises(ConfigurationError, match=r"needs the package openvino: pip install .*openvino\]"):
        stand_ins["onnxruntime"].load_session(path, accelerated())
