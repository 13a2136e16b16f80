"""What each layer loses in INT8, while the others compute in FP32.

One pass over one graph measures all: the FP32 graph, with each layer a second time on rounded inputs beside it. Most of
the loss is a constant for each channel, because a rounded weight meets inputs that are seldom negative. That constant
is taken back in the bias, where the layer has one or can have one, and what is left is the loss.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tritonrepo.export.int8.graph import BATCH, LAYERS, session
from tritonrepo.repository.spec import INPUT_NAME

PREFIX = "int8/"
WHAT = ("shift", "error", "power")


@dataclass(frozen=True)
class Sensitivity:
    """Of one layer.

    Attributes:
        loss: The power of the error that is left, as a share of the power of the output.
        shift: What to add to the bias, FP32 `[channels]`; None for a layer without one.
    """

    loss: float
    shift: NDArray[np.float32] | None


def measure(model: onnx.ModelProto, quantised: onnx.ModelProto, images: NDArray[Any]) -> dict[str, Sensitivity]:
    """Of each layer that is quantised, by the name of its node.

    Args:
        model: In FP32.
        quantised: Made of it, with Q/DQ nodes.
        images: As they take them.
    """
    both = _Both(model, quantised)
    runner = session(both.model)
    names = [f"{PREFIX}{what}/{name}" for name in both.measured for what in WHAT]
    sums = [np.zeros(1, np.float64)] * len(names)
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        found = runner.run(names, {INPUT_NAME: batch})
        sums = [total + one * (len(batch) / len(images)) for total, one in zip(sums, found, strict=True)]
    rows = (sums[start : start + len(WHAT)] for start in range(0, len(sums), len(WHAT)))
    return {node.name: _judge(node, *row) for node, row in zip(both.measured.values(), rows, strict=True)}


def _judge(
    node: NodeProto, shift: NDArray[np.float64], error: NDArray[np.float64], power: NDArray[np.float64]
) -> Sensitivity:
    corrected = node.op_type != "MatMul"
    left = np.maximum(error - shift**2, 0) if corrected else error
    loss = float(left.sum() / max(power.sum(), 1e-30))
    return Sensitivity(loss, shift.astype(np.float32) if corrected else None)


class _Both:
    """The FP32 graph with the quantised layers beside it.

    Attributes:
        model: The graph.
        measured: The quantised layers by their names in the FP32 graph; each has an output for each of `WHAT`.
    """

    def __init__(self, model: onnx.ModelProto, quantised: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.measured: dict[str, NodeProto] = {}
        self._known = {name for node in model.graph.node for name in node.output} | {INPUT_NAME}
        self._sides = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
        self._constants = {tensor.name: tensor for tensor in quantised.graph.initializer}
        self._makers = {name: node for node in quantised.graph.node for name in node.output}
        self._brought: set[str] = set()
        others = {node.name: node for node in quantised.graph.node}
        for node in (node for node in model.graph.node if node.op_type in LAYERS):
            maker = self._makers.get(others[node.name].input[0]) if node.name in others else None
            if maker is not None and maker.op_type == "DequantizeLinear":
                self._add(node, others[node.name])

    def _add(self, node: NodeProto, other: NodeProto) -> None:
        copied = self._copy(other)
        copied.output[0] = PREFIX + node.output[0]
        graph, apart = self.model.graph, f"{PREFIX}apart/{node.name}"
        squares = [f"{PREFIX}{what}-squared/{node.name}" for what in ("error", "power")]
        graph.node.extend(
            [
                copied,
                helper.make_node("Sub", [node.output[0], copied.output[0]], [apart]),
                helper.make_node("Mul", [apart, apart], [squares[0]]),
                helper.make_node("Mul", [node.output[0], node.output[0]], [squares[1]]),
            ]
        )
        for what, source in zip(WHAT, (apart, *squares), strict=True):
            name = f"{PREFIX}{what}/{node.name}"
            graph.node.append(helper.make_node("ReduceMean", [source, *self._axes(node)], [name], keepdims=0))
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        self.measured[node.name] = node

    def _axes(self, node: NodeProto) -> list[str]:
        """All but that of the channels; a product of matrices has a bias in another node, and no axis stays."""
        if node.op_type == "MatMul":
            return []
        name = f"{PREFIX}axes/{node.name}"
        axes = [0] if node.op_type == "Gemm" else [0, *range(2, self._sides.get(node.input[1], 4))]
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), name))
        return [name]

    def _copy(self, node: NodeProto) -> NodeProto:
        copied = NodeProto()
        copied.CopyFrom(node)
        copied.name = PREFIX + node.name
        for index, name in enumerate(node.input):
            copied.input[index] = self._bring(name)
        return copied

    def _bring(self, name: str) -> str:
        """Copy what gives a tensor of the quantised graph, back to tensors of the FP32 graph; returns its name."""
        if name in self._known or not name:
            return name
        new = PREFIX + name
        if name not in self._brought:
            self._brought.add(name)
            if name in self._constants:
                tensor = TensorProto()
                tensor.CopyFrom(self._constants[name])
                tensor.name = new
                self.model.graph.initializer.append(tensor)
            else:
                copied = self._copy(self._makers[name])
                copied.output[0] = new
                self.model.graph.node.append(copied)
        return new
