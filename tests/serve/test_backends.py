"""The stand-ins for Triton's onnxruntime and pytorch backends in the real server."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import tritonclient.grpc as triton_grpc
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.conftest import ShortLived
from tests.serve.models import Mapped, Odd, Sum, Swap, identity_onnx, save, script
from tritonrepo.serve.models import READY, UNAVAILABLE, ModelStatus
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

Tensors = dict[str, NDArray[Any]]

PAIR_INPUTS = '{ name: "a" data_type: TYPE_FP32 dims: [ 2 ] }, { name: "b" data_type: TYPE_FP32 dims: [ 2 ] }'
TABLE = np.arange(20, dtype=np.float32).reshape(5, 4)
SCALAR = '{{ name: "{}" data_type: TYPE_FP32 dims: [ 1 ] }}'
ONE_INSTANCE = "instance_group { kind: KIND_CPU count: 1 }"
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
    add_lookup(repository / "warm", f"{warm_up(f'{types} zero_data: true')} {ONE_INSTANCE}")
    add_lookup(repository / "burnt", f"{warm_up(f'{types} random_data: true')} {ONE_INSTANCE}")
    free = '{{ name: "{}" data_type: TYPE_FP16 dims: [ -1, 2 ] }}'
    model = repository / "unbatched"
    write_config(
        model,
        "onnxruntime",
        free.format("X"),
        free.format("Y"),
        f'default_model_filename: "identity.onnx" {ONE_INSTANCE}',
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
    no_inference_mode = 'parameters { key: "INFERENCE_MODE" value { string_value: "false" } }'
    add_torchscript(repository / "no_inference_mode", Odd(), one, fp32.format("OUTPUT__0"), no_inference_mode)
    add_torchscript(repository / "odd", Odd(), one, fp32.format("OUTPUT__0"))
    sum_all = repository / "onnx_scalars"
    write_config(sum_all, "onnxruntime", SCALAR.format("X"), SCALAR.format("Y"), ONE_INSTANCE, max_batch_size=0)
    identity_onnx(sum_all / "1" / "model.onnx", [])
    fewer = repository / "onnx_fewer"
    write_config(fewer, "onnxruntime", fp32.format("X"), fp32.format("Y"), ONE_INSTANCE)
    add_fewer_onnx(fewer / "1" / "model.onnx")
    (shutil.copytree(repository / "odd", repository / "broken") / "1" / "model.pt").write_bytes(b"not TorchScript")
    config = repository / "broken" / "config.pbtxt"
    config.write_text(config.read_text().replace('"odd"', '"broken"'))
    with ShortLived(repository) as running:
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


PAIR = np.ones((1, 2), np.float32)
FEWER = "expected batch size of at least 2 in model output, got 1"
FAILURES: dict[str, tuple[str, Tensors, str, str]] = {
    "datatype": ("wrong_datatype", {"a": PAIR, "b": PAIR}, "INVALID_ARGUMENT", "expects .* TYPE_FP32 .* TYPE_INT64"),
    "index": (
        "no_output",
        {"a": PAIR, "b": PAIR},
        "INVALID_ARGUMENT",
        "The output OUTPUT__4 .* index which doesn't exist",
    ),
    "scalar": ("odd", {"x": 2 * PAIR}, "INVALID_ARGUMENT", "output 'OUTPUT__0' is a scalar which is not supported"),
    "failure": ("odd", {"x": 9 * PAIR}, "INTERNAL", "PyTorch execute failure: .*is invalid for input of size 2"),
    "rows": ("odd", {"x": np.zeros((2, 2), np.float32)}, "UNIMPLEMENTED", f"output tensor 'OUTPUT__0' .* {FEWER}"),
    "onnx rows": ("onnx_fewer", {"X": np.zeros((2, 2), np.float32)}, "UNIMPLEMENTED", f"output tensor 'Y' .* {FEWER}"),
    "onnx failure": ("two_lookups", {"INDEX": np.array([[99]])}, "INTERNAL", "out of data bounds"),
}


@pytest.mark.parametrize(("model", "inputs", "code", "message"), FAILURES.values(), ids=FAILURES)
def test_failures_have_the_status_of_the_official_backends(
    server: TritonServer, model: str, inputs: Tensors, code: str, message: str
) -> None:
    with pytest.raises(InferenceServerException, match=f"(?s){message}") as raised:
        infer(server, model, **inputs)
    assert raised.value.status() == f"StatusCode.{code}"


def test_rows_beyond_the_batch_go_to_nobody(server: TritonServer) -> None:
    x = np.array([[1, 2], [3, 4]], np.float32)
    np.testing.assert_array_equal(infer(server, "odd", x=x)["OUTPUT__0"], x)
    np.testing.assert_array_equal(infer(server, "odd", x=np.zeros_like(PAIR))["OUTPUT__0"], PAIR)


def test_an_onnx_scalar_has_the_dimensions_of_the_configuration(server: TritonServer) -> None:
    (answer,) = infer(server, "onnx_scalars", X=np.array([7], np.float32)).values()
    np.testing.assert_array_equal(answer, np.array([7], np.float32), strict=True)


def test_torchscript_runs_without_gradients(server: TritonServer) -> None:
    x = np.zeros((1, 2), np.float32)
    np.testing.assert_array_equal(infer(server, "odd", x=x + 3)["OUTPUT__0"], [[1, 0]])
    np.testing.assert_array_equal(infer(server, "no_inference_mode", x=x + 3)["OUTPUT__0"], [[0, 0]])


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
