"""ONNX Runtime's static quantiser, with the settings that the served runtimes want. Ranges are measured once."""

import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QDQQuantizer, QuantType, create_calibrator
from onnxruntime.quantization.shape_inference import quant_pre_process

from tritonrepo.export.quiet import quiet
from tritonrepo.repository.spec import INPUT_NAME

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Where the time goes; these can be kept in FP32 one by one."""
AROUND = ("Add", "AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "MaxPool", "Relu", "Reshape")
"""They run in INT8 between layers that do. Softmax, normalisation and the like stay in FP32: they lose too much."""
BATCH = 4
"""Pictures of one call while ranges are measured."""


class Quantiser:
    """An FP32 graph and the ranges of its tensors, from which graphs with Q/DQ nodes are made.

    Weights are symmetric S8 for each channel in both kinds. For CPUs, activations are U8 and the graph's layers keep to
    7 bits of weight: without VNNI, two products of 8 bits overflow the 16 bits in which AVX2 adds them. TensorRT wants
    activations S8 and symmetric, weights of 8 bits, and biases as they are.

    Attributes:
        model: The FP32 graph, with constants folded and shapes known.
    """

    def __init__(self, source: Path, images: NDArray[Any], *, symmetric: bool = False) -> None:
        """Read `source` and measure the ranges on `images`, as it takes them."""
        self._symmetric = symmetric
        with tempfile.TemporaryDirectory() as directory, quiet():
            prepared = Path(directory, "prepared.onnx")
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
            self.model = onnx.load(prepared)
            calibrator = create_calibrator(
                prepared, [*LAYERS, *AROUND], str(Path(directory, "augmented.onnx")), extra_options={}
            )
            calibrator.collect_data(_Reader(images))
            self._ranges = calibrator.compute_data()
        for node in self._limits():
            self._ranges[node.input[0]] = self._ranges[node.output[0]]

    @property
    def layers(self) -> dict[str, str]:
        """The layers with parameters: what a person calls each, by the name of its node."""
        constants = {tensor.name for tensor in self.model.graph.initializer}
        nodes = [node for node in self.model.graph.node if node.op_type in LAYERS]
        found = {node.name: [name for name in node.input if name in constants] for node in nodes}
        return {name: given[0].removesuffix(".weight") if given else name for name, given in found.items()}

    def quantise(
        self, kept: Collection[str] = (), shifts: Mapping[str, NDArray[np.float32]] | None = None
    ) -> onnx.ModelProto:
        """The graph with Q/DQ nodes. The scores are never rounded.

        Args:
            kept: Nodes that stay in FP32.
            shifts: What to add to the biases of the others, FP32 `[channels]`, by the name of the node.
        """
        options = {
            "ActivationSymmetric": self._symmetric,
            "QuantizeBias": not self._symmetric,
            # Scores of 1,000 classes in 256 steps would make ties; the layer before them still computes in INT8.
            "OpTypesToExcludeOutputQuantization": ["Gemm"],
        }
        shifted = {name: shift for name, shift in (shifts or {}).items() if name not in kept}
        with quiet():
            quantizer = QDQQuantizer(
                _shift(self.model, shifted),
                True,
                not self._symmetric,
                QuantType.QInt8,
                QuantType.QInt8 if self._symmetric else QuantType.QUInt8,
                self._ranges,
                [],
                [*kept, *(node.name for node in self._limits() if self._feeds(node, kept))],
                [*LAYERS, *AROUND],
                options,
            )
            quantizer.quantize_model()
        made: onnx.ModelProto = quantizer.model.model
        return made

    def _limits(self) -> list[onnx.NodeProto]:
        """Clips and ReLUs. A layer's output is rounded in the range that they leave of it."""
        uses = Counter(name for node in self.model.graph.node for name in node.input)
        known = set(self._ranges.keys())
        return [
            node
            for node in self.model.graph.node
            if node.op_type in ("Clip", "Relu")
            and {node.input[0], node.output[0]} <= known
            and uses[node.input[0]] == 1
        ]

    def _feeds(self, limit: onnx.NodeProto, kept: Collection[str]) -> bool:
        """Whether a layer in FP32 follows. The limit must stay then.

        ONNX Runtime takes it for done by the Q/DQ pair behind it, and takes the pair out too before an FP32 layer.
        """
        return any(node.name in kept and limit.output[0] in node.input for node in self.model.graph.node)


def _shift(model: onnx.ModelProto, shifts: Mapping[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """A copy, with other biases. A bias of several layers is split."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in copy.graph.initializer}
    for node in copy.graph.node:
        if node.name not in shifts:
            continue
        old = constants.get(node.input[2]) if len(node.input) > 2 else None
        values = shifts[node.name] if old is None else numpy_helper.to_array(old) + shifts[node.name]
        name = f"{node.name}/bias"
        copy.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
        del node.input[2:]
        node.input.append(name)
    return copy


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is not typed
    """Gives the pictures in batches."""

    def __init__(self, images: NDArray[Any]) -> None:
        self._batches = iter([images[start : start + BATCH] for start in range(0, len(images), BATCH)])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next batch, by the name of the input; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT_NAME: batch}


def session(model: onnx.ModelProto, *, exact: bool = False) -> onnxruntime.InferenceSession:
    """Run a graph that is in memory, on the CPU. `exact`: rounding is simulated in FP32, without INT8 kernels."""
    options = onnxruntime.SessionOptions()
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
