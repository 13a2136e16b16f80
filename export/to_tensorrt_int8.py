"""PyTorch module -> INT8 TensorRT engine, for Triton's tensorrt backend, from a graph with explicit Q/DQ nodes.

TensorRT takes symmetric S8 alone, for weights and activations, so the graph is not that of `onnx_int8`.
"""

from pathlib import Path

import onnx
from torch import nn

from tritonrepo.export import to_onnx, to_tensorrt
from tritonrepo.export.int8.calibration import Calibration
from tritonrepo.export.int8.search import search
from tritonrepo.export.job import Facts, Job
from tritonrepo.export.options import EngineOptions
from tritonrepo.export.tensorrt.engine import Batches
from tritonrepo.export.tensorrt.library import find_tensorrt
from tritonrepo.export.to_tensorrt import load as load
from tritonrepo.export.to_tensorrt import require as require
from tritonrepo.repository.manifest import EngineFacts, Rounded

RUNTIME = "TensorRT on the GPU, in INT8"
NAME = "tensorrt_int8"


def make(job: Job) -> Facts:
    """Write the artifact of a job. Raises as `convert`."""
    assert job.calibration is not None  # every format that rounds comes with one
    given = job.calibration, job.options.serving.profile, job.options.engine, job.graphs.get("FP32")
    return Facts(*convert(job.module, job.image_shape, job.path, *given))


def convert(
    module: nn.Module,
    image_shape: tuple[int, int, int],
    path: Path,
    calibration: Calibration,
    batches: Batches,
    options: EngineOptions,
    source: Path | None = None,
) -> tuple[Rounded, EngineFacts]:
    """Write `module` (FP32 `[N, *image_shape]` -> `[N, classes]`) to `path` as an engine for `batches`.

    Args:
        module: Is converted, unless there is a graph of it.
        image_shape: Of one image, as the module takes it.
        path: Of the artifact.
        calibration: On what ranges are measured, and what judges.
        batches: The smallest, the usual and the largest.
        options: Of the compiler.
        source: The module as ONNX in FP32.

    Returns:
        What the manifest records of the rounding and of the engine.

    Raises:
        NotPublishableError: There is no GPU, and the engine was compiled all the same.
        MissingError: Nothing here can compile it.
        ConversionError: TensorRT refuses the network, or would compute a layer in another precision.
        VerificationError: It loses too much.
    """
    trt, graph = find_tensorrt(), path.with_name("model.onnx")
    if source is None:
        to_onnx.convert(module, image_shape, graph)
    found = search(source or graph, calibration, NAME, symmetric=True)
    found.model.ir_version = to_onnx.IR_VERSION
    onnx.save_model(found.model, graph)
    return found.made, to_tensorrt.compile_graph(trt, graph, path, batches, options, kept=found.kept)
