"""PyTorch module -> ONNX, for Triton's onnxruntime backend. The only importer of onnx and onnxruntime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from tritonrepo.export import copies, pixels
from tritonrepo.export.blame import explain
from tritonrepo.export.errors import ConversionError
from tritonrepo.export.job import Facts, Job
from tritonrepo.export.one_input import with_one_input
from tritonrepo.export.options import Options
from tritonrepo.export.quiet import quiet
from tritonrepo.repository.on_openvino import ACCELERATOR as OPENVINO
from tritonrepo.repository.on_openvino import require_openvino
from tritonrepo.repository.spec import INPUT_NAME, OUTPUT_NAME

RUNTIME = "ONNX Runtime"
OPSET = 18
"""What torch.onnx emits without a version converter; ONNX Runtime 1.17 reads up to 20, TensorRT 10 up to 22."""
IR_VERSION = 9
"""The newest that ONNX Runtime 1.17 reads."""

SCRIPTED = (
    "ONNX: the module is compiled by torch.jit, and torch.onnx.export cannot follow it; return the module from which "
    "it was scripted or traced. The format torchscript takes it as it is: --formats torchscript"
)


def require(options: Options) -> None:
    """Refuse before the long steps what could not be served as asked. Raises `MissingError`."""
    if options.serving.onnx_accelerator == OPENVINO:
        require_openvino()


def make(job: Job) -> Facts:
    """Write the artifact of a job. Raises as `convert`."""
    convert(job.module, job.image_shape, job.path)
    return Facts()


def convert(module: nn.Module, image_shape: tuple[int, int, int], path: Path) -> None:
    """Write `module` (`[N, *image_shape]` -> FP32 `[N, classes]`) to `path` as ONNX with a dynamic batch dimension.

    Raises:
        ConversionError: The module cannot be exported, it fixes the batch dimension, or onnx's checker refuses the
            result.
        OSError: The disk refuses.
    """
    example = pixels.example(module, image_shape)
    model = copies.converted(module, example, lambda one: _export(one, example), SCRIPTED)
    onnx.save_model(model, path)


def _export(module: nn.Module, example: torch.Tensor) -> onnx.ModelProto:
    try:
        with quiet():
            program = torch.onnx.export(
                with_one_input(module),
                (example.clone(),),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                external_data=False,
                verbose=False,
            )
        assert program is not None  # only the deprecated exporter returns None
        model = program.model_proto
        model.ir_version = IR_VERSION
        _strip(model.graph)
        onnx.checker.check_model(model, full_check=True)
    except Exception as exc:  # the exporter raises whatever the module's own code and its many passes raise
        raise ConversionError(f"ONNX: {explain(exc, 'torch.onnx.export')}") from exc
    return model


def _strip(graph: onnx.GraphProto) -> None:
    """Remove the exporter's notes: they hold paths of this machine, and make equal networks differ."""
    for item in (graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        item.ClearField("metadata_props")


def load(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function that runs the artifact on the CPU: `[N, 3, H, W]` -> `[N, classes]`. Raises onnxruntime's errors."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = session.run([OUTPUT_NAME], {INPUT_NAME: images})[0]
        return logits

    return run
