"""The kinds of artifact that a model repository can hold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A kind of artifact.

    Attributes:
        name: As in `<model>_<format>`.
        backend: The Triton backend that runs it.
        filename: Of the artifact, in a version directory.
        precision: Of the arithmetic inside.
        platform: What tells the backend which kind of file it is, where it knows several.
    """

    name: str
    backend: str
    filename: str
    precision: str = "FP32"
    platform: str = ""


TORCHSCRIPT = Format("torchscript", "pytorch", "model.pt")
PT2 = Format("pt2", "pytorch", "model.pt2", platform="torch_aoti")
ONNX = Format("onnx", "onnxruntime", "model.onnx")
ONNX_FP16 = Format("onnx_fp16", "onnxruntime", "model.onnx", "FP16")
TENSORRT = Format("tensorrt", "tensorrt", "model.plan", "FP16")
ONNX_INT8 = Format("onnx_int8", "onnxruntime", "model.onnx", "INT8")
TENSORRT_INT8 = Format("tensorrt_int8", "tensorrt", "model.plan", "INT8")
FORMATS = {format.name: format for format in (TORCHSCRIPT, PT2, ONNX, ONNX_FP16, ONNX_INT8, TENSORRT, TENSORRT_INT8)}
