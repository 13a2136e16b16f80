"""PyTorch module -> ONNX that computes in INT8, with FP32 at both ends, for Triton's onnxruntime backend."""

from pathlib import Path

import onnx
from torch import nn

from tritonrepo.client.errors import UsageError
from tritonrepo.export import to_onnx
from tritonrepo.export.int8.calibration import Calibration
from tritonrepo.export.int8.search import search
from tritonrepo.export.job import Facts, Job
from tritonrepo.export.options import Options
from tritonrepo.export.to_onnx import load as load
from tritonrepo.repository.manifest import Rounded

RUNTIME = to_onnx.RUNTIME
NAME = "onnx_int8"


def require(options: Options) -> None:
    """Refuse before the long steps what could not be served as asked.

    Raises:
        UsageError: TensorRT is to run it.
        MissingError: As `to_onnx.require`.
    """
    if options.serving.onnx_accelerator == "tensorrt":
        raise UsageError("TensorRT cannot take onnx_int8, whose activations are unsigned; export tensorrt_int8")
    to_onnx.require(options)


def make(job: Job) -> Facts:
    """Write the artifact of a job. Raises as `convert`."""
    assert job.calibration is not None  # every format that rounds comes with one
    return Facts(rounded=convert(job.module, job.image_shape, job.path, job.calibration, job.graphs.get("FP32")))


def convert(
    module: nn.Module,
    image_shape: tuple[int, int, int],
    path: Path,
    calibration: Calibration,
    graph: Path | None = None,
) -> Rounded:
    """Write `module` (FP32 `[N, *image_shape]` -> `[N, classes]`) to `path` as ONNX with explicit Q/DQ nodes.

    Args:
        module: Is converted, unless there is a graph of it.
        image_shape: Of one image, as the module takes it.
        path: Of the artifact.
        calibration: On what ranges are measured, and what judges.
        graph: The module as ONNX in FP32.

    Returns:
        What the manifest records.

    Raises:
        ConversionError: As `to_onnx.convert` does.
        VerificationError: It loses too much.
        OSError: The disk refuses.
    """
    own = path.with_name("fp32.onnx")
    if graph is None:
        to_onnx.convert(module, image_shape, own)
    try:
        found = search(graph or own, calibration, NAME)
    finally:
        own.unlink(missing_ok=True)
    found.model.ir_version = to_onnx.IR_VERSION
    onnx.save_model(found.model, path)
    return found.made
