"""PyTorch module -> ONNX that computes in FP16, with FP32 at both ends, for Triton's onnxruntime backend.

Triton's classification extension has no FP16 case, and clients need not know what is inside. The graph comes from the
half-precision module itself, so that no converter decides.
"""

from pathlib import Path

from torch import nn

from tritonrepo.export import to_onnx
from tritonrepo.export.errors import ConversionError
from tritonrepo.export.job import Facts, Job
from tritonrepo.export.precision import in_half
from tritonrepo.export.to_onnx import load as load
from tritonrepo.export.to_onnx import require as require

RUNTIME = "ONNX Runtime, which computes FP16 graphs in FP32 on a CPU"


def make(job: Job) -> Facts:
    """Write the artifact of a job. Raises as `convert`."""
    convert(job.module, job.image_shape, job.path)
    return Facts()


def convert(module: nn.Module, image_shape: tuple[int, int, int], path: Path) -> None:
    """Write `module` (`[N, *image_shape]` -> FP32 `[N, classes]`) to `path` as ONNX with FP16 weights and arithmetic.

    Raises:
        ConversionError: As `to_onnx.convert` does, or the module cannot be copied.
        OSError: The disk refuses.
    """
    try:
        half = in_half(module)
    except (RuntimeError, TypeError) as exc:  # a lock, or a tensor that was computed from others
        raise ConversionError(f"ONNX FP16: the module cannot be copied: {exc}") from exc
    to_onnx.convert(half, image_shape, path)
