"""The stand-in for Triton's onnxruntime backend: its rules one by one."""

from pathlib import Path
from types import ModuleType
from typing import Any

import onnxruntime
import pytest

from tests.serve.models import configuration, identity_onnx, parameters, tensor
from tritonrepo.serve.backends.settings import ConfigurationError


@pytest.mark.parametrize(
    ("model_shape", "changes"),
    [
        (["n", 3], {}),
        (["n", "m"], {"output": [tensor("Y", [-1])]}),
        (["n", 3], {"input": [tensor("X", [1, 3], reshape={"shape": ["3"]})]}),
        ([5, 3], {"max_batch_size": 0, "input": [tensor("X", [5, 3])], "output": [tensor("Y", [5, 3])]}),
        ([], {"max_batch_size": 0, "input": [tensor("X", [1])], "output": [tensor("Y", [1])]}),
    ],
)
def test_onnx_configurations_that_agree(
    stand_ins: dict[str, ModuleType], tmp_path: Path, model_shape: list[int | str], changes: dict[str, Any]
) -> None:
    module, config = stand_ins["onnxruntime"], configuration(**changes)
    session = module.load_session(identity_onnx(tmp_path / "model.onnx", model_shape), config)
    module.validate(config, session)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": [tensor("pixels", [3])]}, "unexpected inference input 'pixels', allowed inputs are: X"),
        ({"input": [tensor("X", [3]), tensor("Z", [3])]}, r"configuration expects 2 inputs, model provides 1 \(X\)"),
        (
            {"input": [tensor("X", [3], "TYPE_FP16")]},
            "expects datatype TYPE_FP16 for input 'X', model provides TYPE_FP32",
        ),
        ({"input": [tensor("X", [4])]}, r"tensor 'X': the model's shape is \[-1, 3\].* asks for \[-1, 4\]"),
        ({"input": [tensor("X", [1, 3])]}, r"tensor 'X': the model's shape is \[-1, 3\].* asks for \[-1, 1, 3\]"),
        ({"input": [tensor("X", [-1])]}, r"tensor 'X': the model's shape is \[-1, 3\].* asks for \[-1, -1\]"),
        ({"output": [tensor("logits", [3])]}, "unexpected inference output 'logits', allowed outputs are: Y"),
        (
            {"output": [tensor("Y", [3], "TYPE_INT64")]},
            "expects datatype TYPE_INT64 for output 'Y', model provides TYPE_F",
        ),
        ({"output": [tensor("Y", [1000])]}, r"tensor 'Y': the model's shape is \[-1, 3\].* asks for \[-1, 1000\]"),
        ({"output": [tensor("Y", [-1])]}, r"tensor 'Y': the model's shape is \[-1, 3\].* asks for \[-1, -1\]"),
        ({"max_batch_size": 0}, r"tensor 'X': the model's shape is \[-1, 3\].* asks for \[3\]"),
    ],
)
def test_onnx_configurations_that_disagree(
    stand_ins: dict[str, ModuleType], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    module, config = stand_ins["onnxruntime"], configuration(**changes)
    session = module.load_session(identity_onnx(tmp_path / "model.onnx", ["n", 3]), config)
    with pytest.raises(ConfigurationError, match=message):
        module.validate(config, session)


def test_an_onnx_model_with_a_fixed_batch_is_refused(stand_ins: dict[str, ModuleType], tmp_path: Path) -> None:
    module, config = stand_ins["onnxruntime"], configuration()
    session = module.load_session(identity_onnx(tmp_path / "model.onnx", [1, 3]), config)
    with pytest.raises(ConfigurationError, match=r"first dimension must be free \(-1\), but its shape is \[1, 3\]"):
        module.validate(config, session)


def test_an_optional_input_needs_a_model_without_batches(stand_ins: dict[str, ModuleType], tmp_path: Path) -> None:
    module = stand_ins["onnxruntime"]
    config = configuration(input=[tensor("X", [3]), tensor("Z", [3], optional=True)])
    session = module.load_session(identity_onnx(tmp_path / "model.onnx", ["n", 3]), config)
    with pytest.raises(
        ConfigurationError, match="optional input 'Z' is not supported for models that support batching"
    ):
        module.validate(config, session)


def test_onnx_settings_are_passed_on(stand_ins: dict[str, ModuleType]) -> None:
    settings = parameters(
        intra_op_thread_count="3",
        inter_op_thread_count="2",
        execution_mode="1",
        enable_mem_arena="false",
        enable_mem_pattern="off",
        share_session_between_instances="true",
    )
    optimization = {"graph": {"level": 1}}
    options = stand_ins["onnxruntime"].read_options(configuration(parameters=settings, optimization=optimization))
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 2)
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert (options.enable_cpu_mem_arena, options.enable_mem_pattern) == (False, False)
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED


def test_onnx_defaults_are_the_official_ones(stand_ins: dict[str, ModuleType]) -> None:
    options = stand_ins["onnxruntime"].read_options(configuration())
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (0, 0)
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": parameters(intra_op_thread_count="two")}, "intra_op_thread_count: failed to convert 'two'"),
        ({"parameters": parameters(inter_op_thread_count="1.5")}, "inter_op_thread_count: failed to convert '1.5'"),
        ({"parameters": parameters(intra_op_thread_count="99999999999")}, "'99999999999' is beyond 32 bits"),
        ({"parameters": parameters(execution_mode="2")}, "execution_mode: expected 0 or 1, not 2"),
        ({"parameters": parameters(enable_mem_arena="perhaps")}, "enable_mem_arena: failed to convert 'perhaps'"),
    ],
)
def test_onnx_settings_that_are_refused(
    stand_ins: dict[str, ModuleType], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        stand_ins["onnxruntime"].read_options(configuration(**changes))
