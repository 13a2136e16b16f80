"""The stand-ins for Triton's onnxruntime and pytorch backends: their rules one by one, and then in the real server."""

import importlib
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import psutil
import pytest
import torch
import tritonclient.grpc as triton_grpc
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tritonrepo.serve.backends.settings import (
    ConfigurationError,
    find_model_file,
    read_bool,
    read_int,
    refuse_unsupported,
)
from tritonrepo.serve.installation import find_installation
from tritonrepo.serve.models import READY, UNAVAILABLE, ModelStatus
from tritonrepo.serve.triton import TritonServer

Tensors = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[dict[str, ModuleType]]:
    """Both model.py in this process, where the stub's own part of triton_python_backend_utils is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(find_installation().backend))
        yield {
            name: importlib.import_module(f"tritonrepo.serve.backends.{name}.model")
            for name in ("onnxruntime", "pytorch")
        }


def tensor(name: str, dims: Sequence[int], data_type: str = "TYPE_FP32", **more: object) -> dict[str, object]:
    return {"name": name, "data_type": data_type, "dims": list(map(str, dims)), **more}


def configuration(backend: str = "onnxruntime", **changes: object) -> dict[str, Any]:
    """A configuration as Triton hands it to the stub: protobuf's JSON, in which 64-bit integers are strings."""
    config: dict[str, Any] = {
        "name": "m",
        "backend": backend,
        "max_batch_size": 8,
        "input": [tensor("X", [3])],
        "output": [tensor("Y", [3])],
        "parameters": {},
    }
    return config | changes


def parameters(**values: str) -> dict[str, dict[str, str]]:
    return {key: {"string_value": value} for key, value in values.items()}


def identity_onnx(path: Path, shape: Sequence[int | str], data_type: int = TensorProto.FLOAT) -> Path:
    x, y = (helper.make_tensor_value_info(name, data_type, shape) for name in "XY")
    save(path, helper.make_graph([helper.make_node("Identity", ["X"], ["Y"])], "identity", [x], [y]))
    return path


def save(path: Path, graph: onnx.GraphProto) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))


# ---- settings ----


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("ON", True), ("1", True), ("False", False), ("off", False), ("0", False)]
)
def test_booleans_are_read_as_triton_reads_them(text: str, value: bool) -> None:
    assert read_bool(configuration(parameters=parameters(K=text)), "K", not value) is value


def test_absent_parameters_have_their_default() -> None:
    assert read_bool(configuration(), "K", True) is True
    assert read_int(configuration(), "K", 7) == 7


@pytest.mark.parametrize("text", ["two", "", "2.5", "2 threads", "0x2", "1_000", "\N{ARABIC-INDIC DIGIT THREE}"])
def test_what_is_no_integer_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"model 'm', parameter K: failed to convert '{text}' to an integer"):
        read_int(configuration(parameters=parameters(K=text)), "K")


@pytest.mark.parametrize("text", ["99999999999", "2147483648", "-2147483649", "9" * 5000])
def test_numbers_that_end_the_official_server_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"model 'm', parameter K: '.{10,30}' is beyond 32 bits"):
        read_int(configuration(parameters=parameters(K=text)), "K")


@pytest.mark.parametrize(("text", "value"), [("2147483647", 2**31 - 1), (" +3", 3), ("-1", -1), ("007", 7)])
def test_integers_are_read_as_triton_reads_them(text: str, value: int) -> None:
    assert read_int(configuration(parameters=parameters(K=text)), "K") == value


def test_what_is_no_boolean_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="model 'm', parameter K: failed to convert 'maybe' to a boolean"):
        read_bool(configuration(parameters=parameters(K="maybe")), "K", True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence_batching": {"direct": {}}}, "needs sequence_batching"),
        ({"batch_input": [{}]}, "needs batch_input"),
        ({"input": [tensor("X", [3], allow_ragged_batch=True)]}, "needs allow_ragged_batch"),
        ({"output": [tensor("Y", [3], "TYPE_STRING")]}, "needs TYPE_STRING"),
        ({"input": []}, "must specify at least one input"),
        ({"output": []}, "must specify at least one output"),
    ],
)
def test_what_the_stand_ins_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        refuse_unsupported(configuration(**changes))


def test_the_artifact_is_found_by_its_name_or_the_default(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "model.onnx").touch()
    (tmp_path / "3" / "other.onnx").touch()
    args = {"model_repository": str(tmp_path), "model_version": "3"}
    assert find_model_file(args, configuration(), "model.onnx").name == "model.onnx"
    other = configuration(default_model_filename="other.onnx")
    assert find_model_file(args, other, "model.onnx").name == "other.onnx"
    with pytest.raises(ConfigurationError, match=r"unable to find '.*/3/model\.pt' for model 'm'"):
        find_model_file(args, configuration(), "model.pt")


# ---- onnxruntime ----


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
        (
            {"optimization": {"execution_accelerators": {"cpu_execution_accelerator": [{"name": "openvino"}]}}},
            "the execution accelerator 'openvino' is not in the onnxruntime package",
        ),
    ],
)
def test_onnx_settings_that_are_refused(
    stand_ins: dict[str, ModuleType], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        stand_ins["onnxruntime"].read_options(configuration(**changes))


# ---- pytorch ----


@pytest.mark.parametrize(
    ("names", "arguments", "order"),
    [
        (["b", "a"], ["a", "b"], ["a", "b"]),
        (["INPUT__1", "INPUT__0"], ["x", "y"], ["INPUT__0", "INPUT__1"]),
        (["second", "first"], ["x", "y"], ["second", "first"]),
        (["b", "INPUT__0"], ["a", "b"], ["b", "INPUT__0"]),
        (["x__y__1", "x__y__0"], ["a", "b"], ["x__y__1", "x__y__0"]),
        (["INPUT__1", "INPUT__"], ["a", "b"], ["INPUT__", "INPUT__1"]),
        (["INPUT__7", "INPUT__7"], [], ["INPUT__7", "INPUT__7"]),
    ],
)
def test_torchscript_inputs_follow_the_official_conventions(
    stand_ins: dict[str, ModuleType], names: list[str], arguments: list[str], order: list[str]
) -> None:
    config = configuration("pytorch", input=[tensor(name, [3]) for name in names])
    assert stand_ins["pytorch"].order_inputs(config, arguments) == order


@pytest.mark.parametrize("names", [["INPUT__0", "INPUT__2"], ["INPUT__1", "INPUT__1"], ["a", "a"], ["x__", "y__0"]])
def test_inputs_that_are_not_one_for_each_argument_are_refused(
    stand_ins: dict[str, ModuleType], names: list[str]
) -> None:
    config = configuration("pytorch", input=[tensor(name, [3]) for name in names])
    with pytest.raises(ConfigurationError, match="its 2 arguments need one input each, with the indices from 0 to 1"):
        stand_ins["pytorch"].order_inputs(config, ["a", "b"])


def test_an_optional_input_is_refused_by_torchscript(stand_ins: dict[str, ModuleType]) -> None:
    config = configuration("pytorch", input=[tensor("a", [3]), tensor("b", [3], optional=True)])
    with pytest.raises(ConfigurationError, match="'optional' is set to true for input 'b' while the backend model"):
        stand_ins["pytorch"].refuse_optional(config)


def test_torchscript_outputs_follow_their_index(stand_ins: dict[str, ModuleType]) -> None:
    config = configuration("pytorch", output=[tensor("OUTPUT__1", [3]), tensor("OUTPUT__0", [3], "TYPE_INT64")])
    expected = {"OUTPUT__1": (1, torch.float32), "OUTPUT__0": (0, torch.int64)}
    assert stand_ins["pytorch"].index_outputs(config) == expected
    config = configuration("pytorch", output=[tensor("logits", [3]), tensor("OUTPUT__0", [3])])
    assert [index for index, _ in stand_ins["pytorch"].index_outputs(config).values()] == [0, 1]


@pytest.mark.parametrize("data_type", ["TYPE_UINT32", "TYPE_BF16", "TYPE_INVALID"])
def test_datatypes_that_torchscript_lacks_are_refused(stand_ins: dict[str, ModuleType], data_type: str) -> None:
    config = configuration("pytorch", input=[tensor("X", [3], data_type)])
    with pytest.raises(ConfigurationError, match=f"unsupported datatype {data_type} for input 'X' for model 'm'"):
        stand_ins["pytorch"].order_inputs(config, ["x"])


class Sum(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


class Numbers(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: int) -> torch.Tensor:
        return a + b


class Swap(torch.nn.Module):
    """Two outputs of other datatypes."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return a - b, (a + b).to(torch.int64)


class Fewer(torch.nn.Module):
    """One row, however many there are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:1] + 1


class More(torch.nn.Module):
    """A row more than there are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x[:1]])


class Scalar(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


class Fails(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], 77)


class Mapped(torch.nn.Module):
    """One dictionary as the input."""

    def forward(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        return tensors["a"] - tensors["b"]


class Modes(torch.nn.Module):
    """Whether the output is an inference tensor, whether gradients are on, whether the module trains."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        inference = 1.0 if y.is_inference() else 0.0
        gradient = 1.0 if torch.is_grad_enabled() else 0.0
        return torch.tensor([inference, gradient]).expand(x.shape[0], 2)


def script(module: torch.nn.Module, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and Triton's pytorch backend needs it.
        torch.jit.script(module).save(str(path))  # type: ignore[no-untyped-call]
    return path


def load(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(str(path))  # type: ignore[no-untyped-call]


def test_torchscript_arguments_are_checked(stand_ins: dict[str, ModuleType], tmp_path: Path) -> None:
    read_arguments, two = stand_ins["pytorch"].read_arguments, [tensor("a", [3]), tensor("b", [3])]
    both = configuration("pytorch", input=two)
    module = load(script(Sum(), tmp_path / "sum.pt"))
    assert read_arguments(both, module) == (False, ["a", "b"])
    assert read_arguments(both, load(script(Mapped(), tmp_path / "mapped.pt"))) == (True, [])
    with pytest.raises(ConfigurationError, match="configuration expects 1 inputs, model provides 2"):
        read_arguments(configuration("pytorch", input=two[:1]), module)
    with pytest.raises(ConfigurationError, match="its argument 'b' is a int; only tensors"):
        read_arguments(both, load(script(Numbers(), tmp_path / "numbers.pt")))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"INTRA_OP_THREAD_COUNT": "all"}, "INTRA_OP_THREAD_COUNT: failed to convert 'all' to an integer"),
        ({"INTER_OP_THREAD_COUNT": ""}, "INTER_OP_THREAD_COUNT: failed to convert '' to an integer"),
        ({"INTER_OP_THREAD_COUNT": "1"}, "INTER_OP_THREAD_COUNT: .*abort, with every model, .*; remove it"),
        ({"INTRA_OP_THREAD_COUNT": "99999999999"}, "INTRA_OP_THREAD_COUNT: '99999999999' is beyond 32 bits"),
        ({"DISABLE_OPTIMIZED_EXECUTION": "x"}, "DISABLE_OPTIMIZED_EXECUTION: failed to convert 'x' to a boolean"),
        ({"ENABLE_WEIGHT_SHARING": "x"}, "ENABLE_WEIGHT_SHARING: failed to convert 'x' to a boolean"),
        ({"ENABLE_JIT_PROFILING": "x"}, "ENABLE_JIT_PROFILING: failed to convert 'x' to a boolean"),
    ],
)
def test_torchscript_settings_that_are_refused(
    stand_ins: dict[str, ModuleType], values: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        stand_ins["pytorch"].apply_settings(configuration("pytorch", parameters=parameters(**values)))


THREADS = """
import sys
sys.path.append(sys.argv[1])
import torch
from tritonrepo.serve.backends.pytorch.model import apply_settings
default = torch.get_num_threads()
apply_settings({"name": "m"})
assert torch.get_num_threads() == default
values = {"INTRA_OP_THREAD_COUNT": "3", "INTER_OP_THREAD_COUNT": "0", "DISABLE_OPTIMIZED_EXECUTION": "true"}
apply_settings({"name": "m", "parameters": {key: {"string_value": value} for key, value in values.items()}})
print(torch.get_num_threads(), torch._C._get_graph_executor_optimize())
"""


def test_torchscript_settings_are_applied_to_the_process() -> None:
    """In a process of its own: PyTorch sets these once, for all."""
    command = [sys.executable, "-c", THREADS, str(find_installation().backend)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == ["3", "False"]


# ---- in the server ----

PAIR_INPUTS = '{ name: "a" data_type: TYPE_FP32 dims: [ 2 ] }, { name: "b" data_type: TYPE_FP32 dims: [ 2 ] }'
TABLE = np.arange(20, dtype=np.float32).reshape(5, 4)
SCALAR = '{{ name: "{}" data_type: TYPE_FP32 dims: [ 1 ] }}'
BATCH_OF_FOUR = "dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 10000000 }"


def write_config(model: Path, backend: str, inputs: str, outputs: str, more: str = "", max_batch_size: int = 8) -> None:
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.pbtxt").write_text(
        f'name: "{model.name}" backend: "{backend}" max_batch_size: {max_batch_size}\n'
        f"input [ {inputs} ]\noutput [ {outputs} ]\n{more}\n"
    )


def add_lookup(model: Path, more: str) -> None:
    """An ONNX model that fails on an index that is not in its table."""
    write_config(
        model,
        "onnxruntime",
        '{ name: "INDEX" data_type: TYPE_INT64 dims: [ 1 ] }',
        '{ name: "ROW" data_type: TYPE_FP32 dims: [ 1, 4 ] }',
        more,
    )
    index = helper.make_tensor_value_info("INDEX", TensorProto.INT64, ["n", 1])
    row = helper.make_tensor_value_info("ROW", TensorProto.FLOAT, ["n", 1, 4])
    node = helper.make_node("Gather", ["TABLE", "INDEX"], ["ROW"])
    graph = helper.make_graph([node], "lookup", [index], [row], [numpy_helper.from_array(TABLE, "TABLE")])
    save(model / "1" / "model.onnx", graph)


def add_fewer_onnx(path: Path) -> None:
    """A model that claims to keep the batch, and returns its first row."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "XY")
    constants = [numpy_helper.from_array(np.array([value]), name) for name, value in (("from", 0), ("to", 1))]
    node = helper.make_node("Slice", ["X", "from", "to"], ["Y"])
    save(path, helper.make_graph([node], "fewer", [x], [y], constants))


def warm_up(value: str) -> str:
    return f'model_warmup {{ name: "w" batch_size: 2 inputs {{ key: "INDEX" value {{ {value} }} }} }}'


def add_torchscript(model: Path, module: torch.nn.Module, inputs: str, outputs: str, more: str = "") -> None:
    write_config(model, "pytorch", inputs, outputs, more)
    script(module, model / "1" / "model.pt")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    repository = tmp_path_factory.mktemp("backends") / "model_repository"
    add_lookup(repository / "lookup", BATCH_OF_FOUR)
    add_lookup(repository / "two_lookups", "instance_group { kind: KIND_CPU count: 2 }")
    types = "data_type: TYPE_INT64 dims: [ 1 ]"
    add_lookup(repository / "warm", warm_up(f"{types} zero_data: true"))
    add_lookup(repository / "burnt", warm_up(f"{types} random_data: true"))
    free = '{{ name: "{}" data_type: TYPE_FP16 dims: [ -1, 2 ] }}'
    model = repository / "unbatched"
    write_config(
        model,
        "onnxruntime",
        free.format("X"),
        free.format("Y"),
        'default_model_filename: "identity.onnx"',
        max_batch_size=0,
    )
    identity_onnx(model / "1" / "identity.onnx", ["n", 2], TensorProto.FLOAT16)
    fp32 = '{{ name: "{}" data_type: TYPE_FP32 dims: [ 2 ] }}'
    integers = '{ name: "OUTPUT__1" data_type: TYPE_INT64 dims: [ 2 ] }'
    both = f"{integers}, {fp32.format('OUTPUT__0')}"
    add_torchscript(repository / "swap", Swap(), PAIR_INPUTS, both, BATCH_OF_FOUR)
    add_torchscript(repository / "mapped", Mapped(), PAIR_INPUTS, fp32.format("difference"))
    wrong = f"{fp32.format('OUTPUT__1')}, {fp32.format('OUTPUT__0')}"
    add_torchscript(repository / "wrong_datatype", Swap(), PAIR_INPUTS, wrong)
    add_torchscript(repository / "no_output", Sum(), PAIR_INPUTS, fp32.format("OUTPUT__4"))
    one = fp32.format("x")
    add_torchscript(repository / "modes", Modes(), one, fp32.format("OUTPUT__0"))
    no_inference_mode = 'parameters { key: "INFERENCE_MODE" value { string_value: "false" } }'
    add_torchscript(repository / "no_inference_mode", Modes(), one, fp32.format("OUTPUT__0"), no_inference_mode)
    for module in (Fewer(), More(), Scalar(), Fails()):
        add_torchscript(repository / type(module).__name__.lower(), module, one, fp32.format("OUTPUT__0"))
    sum_all = repository / "onnx_scalars"
    write_config(sum_all, "onnxruntime", SCALAR.format("X"), SCALAR.format("Y"), max_batch_size=0)
    identity_onnx(sum_all / "1" / "model.onnx", [])
    fewer = repository / "onnx_fewer"
    write_config(fewer, "onnxruntime", fp32.format("X"), fp32.format("Y"))
    add_fewer_onnx(fewer / "1" / "model.onnx")
    (shutil.copytree(repository / "modes", repository / "broken") / "1" / "model.pt").write_bytes(b"not TorchScript")
    config = repository / "broken" / "config.pbtxt"
    config.write_text(config.read_text().replace('"modes"', '"broken"'))
    with TritonServer(repository) as running:
        yield running


def find_status(server: TritonServer, model: str) -> ModelStatus:
    (status,) = [status for status in server.models() if status.name == model]
    return status


def infer(server: TritonServer, model: str, **inputs: NDArray[Any]) -> Tensors:
    with triton_grpc.InferenceServerClient(server.grpc_url) as client:
        tensors = [
            triton_grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)).set_data_from_numpy(array)
            for name, array in inputs.items()
        ]
        result = client.infer(model, tensors, client_timeout=60)
        return {output.name: result.as_numpy(output.name) for output in result.get_response().outputs}


def execution_counts(server: TritonServer, model: str) -> tuple[int, int]:
    """Inferences, and executions of the backend."""
    with triton_grpc.InferenceServerClient(server.grpc_url) as client:
        (statistics,) = client.get_inference_statistics(model).model_stats
    return statistics.inference_count, statistics.execution_count


def test_requests_that_are_batched_get_their_own_rows(server: TritonServer) -> None:
    before = execution_counts(server, "lookup")
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda i: infer(server, "lookup", INDEX=np.array([[i]]))["ROW"], range(4)))
    np.testing.assert_array_equal(np.concatenate(rows)[:, 0], TABLE[:4])
    inferences, executions = execution_counts(server, "lookup")
    assert (inferences - before[0], executions - before[1]) == (4, 1)


def test_batched_requests_of_several_rows(server: TritonServer) -> None:
    indices = [np.array([[0], [1]]), np.array([[4]]), np.array([[2]])]
    with ThreadPoolExecutor(3) as pool:
        rows = list(pool.map(lambda index: infer(server, "lookup", INDEX=index)["ROW"], indices))
    for index, row in zip(indices, rows, strict=True):
        np.testing.assert_array_equal(row, TABLE[index])


def test_a_request_that_fails_fails_alone(server: TritonServer) -> None:
    def ask(index: int) -> Any:
        try:
            return infer(server, "lookup", INDEX=np.array([[index]]))["ROW"]
        except InferenceServerException as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        good, bad, better, best = pool.map(ask, (0, 99, 2, 4))
    assert "99" in bad
    assert "out of data bounds" in bad
    np.testing.assert_array_equal(np.concatenate([good, better, best])[:, 0], TABLE[[0, 2, 4]])


def test_torchscript_requests_are_batched_and_their_outputs_named_by_index(server: TritonServer) -> None:
    def ask(i: int) -> Tensors:
        return infer(server, "swap", a=np.full((1, 2), i, np.float32), b=np.ones((1, 2), np.float32))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(answer["OUTPUT__0"], np.full((1, 2), i - 1, np.float32))
        np.testing.assert_array_equal(answer["OUTPUT__1"], np.full((1, 2), i + 1, np.int64))
    assert execution_counts(server, "swap") == (4, 1)


def test_torchscript_takes_a_dictionary(server: TritonServer) -> None:
    a, b = np.array([[5, 7]], np.float32), np.array([[1, 2]], np.float32)
    np.testing.assert_array_equal(infer(server, "mapped", b=b, a=a)["difference"], a - b)


@pytest.mark.parametrize(
    ("model", "rows", "code", "message"),
    [
        (
            "wrong_datatype",
            1,
            "INVALID_ARGUMENT",
            "expects datatype TYPE_FP32 for output 'OUTPUT__1', model provides TYPE_I",
        ),
        (
            "no_output",
            1,
            "INVALID_ARGUMENT",
            "The output OUTPUT__4 in .* refers to an output index which doesn't exist",
        ),
        ("scalar", 1, "INVALID_ARGUMENT", "output 'OUTPUT__0' is a scalar which is not supported"),
        ("fails", 1, "INTERNAL", "PyTorch execute failure: .*shape .* is invalid for input of size 2"),
        (
            "fewer",
            2,
            "UNIMPLEMENTED",
            "output tensor 'OUTPUT__0' .* expected batch size of at least 2 in model output, got 1",
        ),
        (
            "onnx_fewer",
            2,
            "UNIMPLEMENTED",
            "output tensor 'Y' .* expected batch size of at least 2 in model output, got 1",
        ),
        ("two_lookups", 1, "INTERNAL", "out of data bounds"),
    ],
)
def test_failures_have_the_status_of_the_official_backends(
    server: TritonServer, model: str, rows: int, code: str, message: str
) -> None:
    with triton_grpc.InferenceServerClient(server.grpc_url) as client:
        inputs = [tensor["name"] for tensor in client.get_model_config(model, as_json=True)["config"]["input"]]
    value = np.full((rows, 1), 99) if model == "two_lookups" else np.ones((rows, 2), np.float32)
    with pytest.raises(InferenceServerException, match=f"(?s){message}") as raised:
        infer(server, model, **dict.fromkeys(inputs, value))
    assert raised.value.status() == f"StatusCode.{code}"


def test_rows_beyond_the_batch_go_to_nobody(server: TritonServer) -> None:
    x = np.array([[1, 2], [3, 4]], np.float32)
    np.testing.assert_array_equal(infer(server, "more", x=x)["OUTPUT__0"], x)
    np.testing.assert_array_equal(infer(server, "fewer", x=x[:1])["OUTPUT__0"], x[:1] + 1)


def test_an_onnx_scalar_has_the_dimensions_of_the_configuration(server: TritonServer) -> None:
    (answer,) = infer(server, "onnx_scalars", X=np.array([7], np.float32)).values()
    np.testing.assert_array_equal(answer, np.array([7], np.float32), strict=True)


def test_torchscript_runs_without_gradients(server: TritonServer) -> None:
    x = np.zeros((1, 2), np.float32)
    np.testing.assert_array_equal(infer(server, "modes", x=x)["OUTPUT__0"], [[1, 0]])
    np.testing.assert_array_equal(infer(server, "no_inference_mode", x=x)["OUTPUT__0"], [[0, 0]])


def test_a_model_without_batches_has_free_dimensions(server: TritonServer) -> None:
    for rows in (1, 5):
        x = np.arange(2 * rows, dtype=np.float16).reshape(rows, 2)
        np.testing.assert_array_equal(infer(server, "unbatched", X=x)["Y"], x)


def test_instances_are_processes(server: TritonServer) -> None:
    stubs = [" ".join(process.cmdline()) for process in psutil.Process(server.pid).children(recursive=True)]
    assert sum("/two_lookups/" in stub for stub in stubs) == 2
    assert sum("/mapped/" in stub for stub in stubs) == 1
    # Triton's own default for onnxruntime on a CPU.
    assert sum("/lookup/" in stub for stub in stubs) == 2
    np.testing.assert_array_equal(infer(server, "two_lookups", INDEX=np.array([[3]]))["ROW"][0, 0], TABLE[3])


def test_warm_up_runs_the_model(server: TritonServer) -> None:
    assert find_status(server, "warm").state == READY
    burnt = find_status(server, "burnt")  # Warmed up with random indices, none of which is in the table.
    assert burnt.state == UNAVAILABLE
    assert "out of data bounds" in burnt.reason


def test_what_is_no_torchscript_is_refused(server: TritonServer) -> None:
    broken = find_status(server, "broken")
    assert broken.state == UNAVAILABLE
    assert "failed to load model 'broken' from" in broken.reason
    assert "not a ZIP archive" in broken.reason
