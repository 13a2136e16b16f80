"""config.pbtxt of what needs a GPU: golden texts, and what the real Triton says of them on a host without one."""

import json
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from tests.deploy.test_start import start, wait_for
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.repository import config
from tritonrepo.repository.formats import ONNX, ONNX_FP16, ONNX_INT8, TENSORRT, TENSORRT_INT8, TORCHSCRIPT, Format
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.serving import Serving
from tritonrepo.repository.spec import ModelSpec

GOLDEN = Path(__file__).parent / "golden"
SPEC = ModelSpec("tiny", labels=("ant", "bee"), preprocessing=Preprocessing(resize=36, crop=32), trained=False)
WEIGHTS = Weights("seeded 0", "0" * 64, trained=False)
SERVING = Serving(max_batch_size=8, preferred_batch_size=4)


def text(format: Format, serving: Serving) -> str:
    return config.to_text(config.model_config(SPEC, format, serving, WEIGHTS))


@pytest.mark.parametrize(
    ("golden", "format", "serving"),
    [
        ("tensorrt.pbtxt", TENSORRT, SERVING),
        ("tensorrt_streams.pbtxt", TENSORRT, replace(SERVING, eager_batching=True, output_copy_stream=True)),
        ("onnx_tensorrt.pbtxt", ONNX, replace(SERVING, onnx_accelerator="tensorrt")),
        ("onnx_fp16.pbtxt", ONNX_FP16, SERVING),
    ],
)
def test_the_text_is_golden(golden: str, format: Format, serving: Serving) -> None:
    written = text(format, serving)
    assert written == (GOLDEN / golden).read_text()
    assert text_format.Parse(written, ModelConfig()) == config.model_config(SPEC, format, serving, WEIGHTS)


def test_openvino_is_asked_for_on_the_cpu_by_every_format_of_onnx() -> None:
    serving = replace(SERVING, onnx_accelerator="openvino")
    for format in (ONNX, ONNX_FP16, ONNX_INT8):
        accelerators = config.model_config(SPEC, format, serving, WEIGHTS).optimization.execution_accelerators
        assert [one.name for one in accelerators.cpu_execution_accelerator] == ["openvino"]
        assert not accelerators.gpu_execution_accelerator
    assert not config.model_config(SPEC, TORCHSCRIPT, serving, WEIGHTS).HasField("optimization")


def test_an_int8_engine_is_placed_as_the_other_engine_is() -> None:
    half, rounded = (config.model_config(SPEC, format, SERVING, WEIGHTS) for format in (TENSORRT, TENSORRT_INT8))
    assert rounded.name == "tiny_tensorrt_int8"
    rounded.name = half.name
    assert rounded == half


def test_every_batch_that_is_warmed_up_has_a_cuda_graph() -> None:
    made = config.model_config(SPEC, TENSORRT, SERVING, WEIGHTS)
    graphs = [(graph.batch_size, list(graph.input["INPUT__0"].dim)) for graph in made.optimization.cuda.graph_spec]
    assert graphs == [(size, [3, 32, 32]) for size in (1, 4, 8)]
    assert [warmup.batch_size for warmup in made.model_warmup] == [1, 4, 8]
    assert made.instance_group[0].kind == ModelInstanceGroup.KIND_GPU
    assert list(made.instance_group[0].profile) == ["0"]


def test_options_of_the_gpu_leave_other_formats_alone() -> None:
    serving = replace(SERVING, eager_batching=True, output_copy_stream=True, onnx_accelerator="tensorrt", cpu_threads=2)
    assert not config.model_config(SPEC, TORCHSCRIPT, serving, WEIGHTS).HasField("optimization")
    assert not config.model_config(SPEC, ONNX, SERVING, WEIGHTS).HasField("optimization")
    assert "intra_op_thread_count" not in config.model_config(SPEC, TENSORRT, serving, WEIGHTS).parameters


# Stands for the tensorrt backend, which needs a GPU: what is tried here is Triton's own core.
BACKEND = """
import numpy as np
import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        sizes = [len(utils.get_input_tensor_by_name(request, "INPUT__0").as_numpy()) for request in requests]
        logits = [utils.Tensor("OUTPUT__0", np.zeros((size, 2), np.float32)) for size in sizes]
        return [utils.InferenceResponse([tensor]) for tensor in logits]
"""


@pytest.mark.live
def test_triton_objects_to_nothing_but_the_missing_gpu(tmp_path: Path) -> None:
    backend = tmp_path / "backends/tensorrt"
    backend.mkdir(parents=True)
    (backend / "model.py").write_text(BACKEND)
    written = text(TENSORRT, replace(SERVING, eager_batching=True, output_copy_stream=True))
    anywhere = written.replace("KIND_GPU", "KIND_AUTO").replace('"tiny_tensorrt"', '"tiny_anywhere"')
    for name, content in (("tiny_tensorrt", written), ("tiny_anywhere", anywhere)):
        version = tmp_path / "model_repository" / name / "1"
        version.mkdir(parents=True)
        (version / "model.plan").write_bytes(b"plan")
        (version.parent / "labels.txt").write_text("ant\nbee\n")
        (version.parent / "config.pbtxt").write_text(content)
    process, port, _ = start(tmp_path / "model_repository", tmp_path, "gpu", TRITON_KEY="key")
    try:
        wait_for(port, "/v2/models/tiny_anywhere/ready", process)
        address = f"http://127.0.0.1:{port}/v2/repository/index"
        request = urllib.request.Request(address, data=b"{}", headers={"key": "key"}, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            states = {model["name"]: (model["state"], model.get("reason", "")) for model in json.load(answer)}
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert states["tiny_anywhere"] == ("READY", "")
    state, reason = states["tiny_tensorrt"]
    assert state == "UNAVAILABLE"
    assert reason.endswith("has kind KIND_GPU but no GPUs are available")
