"""The stand-in for Triton's pytorch backend: its rules one by one."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.serve.models import Mapped, Numbers, Sum, configuration, load, parameters, script, tensor
from tritonrepo.serve.backends.pytorch.torchscript import read_arguments
from tritonrepo.serve.backends.settings import ConfigurationError
from tritonrepo.serve.installation import find_installation


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


def test_torchscript_arguments_are_checked(tmp_path: Path) -> None:
    two = [tensor("a", [3]), tensor("b", [3])]
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
