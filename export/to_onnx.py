"""PyTorch module -> ONNX, for Triton's onnxruntime backend. The only importer of onnx and onnxruntime."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from tritonrepo.export.blame import gist, where
from tritonrepo.export.errors import ConversionError
from tritonrepo.repository.spec import INPUT_NAME, OUTPUT_NAME

OPSET = 18
"""What torch.onnx emits without a version converter; ONNX Runtime 1.17 reads up to 20, TensorRT 10 up to 22."""
IR_VERSION = 9
"""The newest that ONNX Runtime 1.17 reads."""


def convert(module: nn.Module, image_shape: tuple[int, int, int], path: Path) -> None:
    """Write `module` (FP32 `[N, *image_shape]` -> `[N, classes]`) to `path` as ONNX with a dynamic batch dimension.

    Raises:
        ConversionError: The module cannot be exported, it fixes the batch dimension, or onnx's checker refuses the
            result.
        OSError: The disk refuses.
    """
    example = torch.zeros(2, *image_shape)
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                (example,),
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
        raise ConversionError(f"ONNX: {_explain(exc)}") from exc
    onnx.save_model(model, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints, warns and logs pages, in success as in failure; what went wrong is in what it raises."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


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


def _explain(exc: Exception) -> str:
    """The innermost cause in a line: the exporter's own message is a page about how to file a bug."""
    while exc.__cause__ is not None and isinstance(exc.__cause__, Exception):
        exc = exc.__cause__
    return f"torch.onnx.export cannot convert the module: {type(exc).__name__}: {gist(exc)}{where(exc)}"
