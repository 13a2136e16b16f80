"""Models for the stand-ins, and their configurations as Triton hands them to the stub."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper


def tensor(name: str, dims: Sequence[int], data_type: str = "TYPE_FP32", **more: object) -> dict[str, object]:
    return {"name": name, "data_type": data_type, "dims": list(map(str, dims)), **more}


def configuration(backend: str = "onnxruntime", **changes: object) -> dict[str, Any]:
    """A configuration as Triton hands it to the stub: protobuf's JSON, in which 64-bit integers are strings."""
    config: dict[str, Any] = {
        "name": "m",
        "backend": backend,
        "max_batch_size": 8,
        "input": [tensor("X", [3])],
        "output": [tensor("Y", [3])],
        "parameters": {},
    }
    return config | changes


def parameters(**values: str) -> dict[str, dict[str, str]]:
    return {key: {"string_value": value} for key, value in values.items()}


def identity_onnx(path: Path, shape: Sequence[int | str], data_type: int = TensorProto.FLOAT) -> Path:
    x, y = (helper.make_tensor_value_info(name, data_type, shape) for name in "XY")
    save(path, helper.make_graph([helper.make_node("Identity", ["X"], ["Y"])], "identity", [x], [y]))
    return path


def save(path: Path, graph: onnx.GraphProto) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))


class Sum(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


class Numbers(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: int) -> torch.Tensor:
        return a + b


class Swap(torch.nn.Module):
    """Two outputs of other datatypes."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return a - b, (a + b).to(torch.int64)


class Odd(torch.nn.Module):
    """Returns, by its first number: 0 one row, however many there are; 1 a row more; 2 a scalar. Fails at others.

    At 3 it returns whether its tensors are inference tensors, and whether gradients are on.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kind = int(x[0, 0].item())
        if kind == 0:
            return x[:1] + 1
        if kind == 1:
            return torch.cat([x, x[:1]])
        if kind == 2:
            return x.sum()
        if kind == 3:
            inference = 1.0 if (x + 1).is_inference() else 0.0
            gradient = 1.0 if torch.is_grad_enabled() else 0.0
            return torch.tensor([inference, gradient]).expand(x.shape[0], 2)
        return x.reshape(x.shape[0], 77)


class Mapped(torch.nn.Module):
    """One dictionary as the input."""

    def forward(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        return tensors["a"] - tensors["b"]


def script(module: torch.nn.Module, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and Triton's pytorch backend needs it.
        torch.jit.script(module).save(str(path))  # type: ignore[no-untyped-call]
    return path


def load(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(str(path))  # type: ignore[no-untyped-call]
