"""ONNX in OpenVINO on the CPU, with the same settings where it is verified and where it is served."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command

ACCELERATOR = "openvino"
"""What `cpu_execution_accelerator` calls it."""
TYPES = {
    "boolean": "tensor(bool)",
    "u8": "tensor(uint8)",
    "i8": "tensor(int8)",
    "i32": "tensor(int32)",
    "i64": "tensor(int64)",
    "f16": "tensor(float16)",
    "f32": "tensor(float)",
    "f64": "tensor(double)",
}
"""ONNX Runtime's names for OpenVINO's types."""


@dataclass(frozen=True)
class Argument:
    """An input or output, described as ONNX Runtime does.

    Attributes:
        name: Of the tensor.
        type: As in `tensor(float)`.
        shape: A free side is None.
    """

    name: str
    type: str
    shape: tuple[int | None, ...]


def require_openvino() -> None:
    """Raise `MissingError`, with the remedy, where the package is missing."""
    if importlib.util.find_spec("openvino") is None:
        raise MissingError(
            f"the execution accelerator 'openvino' needs the package openvino: {install_command('openvino')}"
        )


class OpenVinoSession:
    """A graph, compiled for any batch size; it answers as an `onnxruntime.InferenceSession` does.

    Raises:
        MissingError: The package openvino is missing.
        RuntimeError: OpenVINO cannot compile the file.
    """

    def __init__(self, path: Path, threads: int = 0, streams: int = 1) -> None:
        """Compile it. `threads`: of one call, 0 for every core. `streams`: calls that share the threads."""
        require_openvino()
        import openvino

        # FP32 says: compute what is not rounded in the file as the file says, also on CPUs that have BF16.
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": str(max(streams, 1))}
        if threads > 0:
            settings["INFERENCE_NUM_THREADS"] = threads
        core = openvino.Core()
        self._compiled = core.compile_model(core.read_model(str(path)), "CPU", settings)
        self._request = self._compiled.create_infer_request()

    def get_inputs(self) -> list[Argument]:
        """The graph's inputs."""
        return [_describe(port) for port in self._compiled.inputs]

    def get_outputs(self) -> list[Argument]:
        """The graph's outputs."""
        return [_describe(port) for port in self._compiled.outputs]

    def get_overridable_initializers(self) -> list[Argument]:
        """None: OpenVINO makes constants of them."""
        return []

    def run(
        self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]], options: object = None
    ) -> list[NDArray[Any]]:
        """The outputs `names`, of their own memory."""
        self._request.infer({name: np.ascontiguousarray(array) for name, array in feeds.items()}, share_inputs=True)
        return [np.array(self._request.get_tensor(name).data) for name in names]


def _describe(port: Any) -> Argument:
    sides = tuple(None if side.is_dynamic else int(side.get_length()) for side in port.get_partial_shape())
    kind = port.get_element_type().get_type_name()
    return Argument(port.get_any_name(), TYPES.get(kind, kind), sides)
