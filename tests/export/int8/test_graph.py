"""The graph with Q/DQ nodes: what is rounded, how, and what is not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.export.int8.networks import graph, images
from tritonrepo.export.int8.graph import Quantiser, session

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quantiser(tmp_path_factory: pytest.TempPathFactory) -> Quantiser:
    return Quantiser(graph(tmp_path_factory.mktemp("graph")), images(16))


def run(model: onnx.ModelProto, *, exact: bool = False) -> NDArray[np.float32]:
    found: NDArray[np.float32] = session(model, exact=exact).run(["OUTPUT__0"], {"INPUT__0": images(8, 1)})[0]
    return found


def test_layers_are_called_by_their_weights(quantiser: Quantiser) -> None:
    assert list(quantiser.layers.values()) == ["0", "2", "4", "8"]


def test_weights_are_signed_and_of_seven_bits_for_each_channel(quantiser: Quantiser) -> None:
    model = quantiser.quantise()
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = [values for values in constants.values() if values.dtype == np.int8 and values.ndim > 1]
    assert len(weights) == 4
    assert all(abs(values.astype(int)).max() <= 64 for values in weights)
    assert constants["0.weight_scale"].shape == (8,)


def test_tensorrts_graph_is_symmetric_and_its_weights_have_eight_bits(tmp_path: Path) -> None:
    model = Quantiser(graph(tmp_path), images(16), symmetric=True).quantise()
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    points = [constants[node.input[2]] for node in nodes]
    assert nodes
    assert all(point.dtype == np.int8 and not point.any() for point in points), "U8 or a zero point, or a rounded bias"
    assert max(abs(values.astype(int)).max() for values in constants.values() if values.dtype == np.int8) == 127


def test_the_scores_are_not_rounded(quantiser: Quantiser) -> None:
    made = next(node for node in quantiser.quantise().graph.node if "OUTPUT__0" in node.output)
    assert made.op_type == "Gemm"


@pytest.mark.parametrize("layer", ["0", "2", "4", "8"])
def test_a_kept_layer_reads_what_relu6_cut_off_whatever_is_optimised(quantiser: Quantiser, layer: str) -> None:
    kept = [node for node, name in quantiser.layers.items() if name == layer]
    model = quantiser.quantise(kept)
    weight = next(node.input[1] for node in model.graph.node if node.name in kept)
    assert weight == f"{layer}.weight", "it is not in FP32"
    wanted = run(model, exact=True)
    assert abs(run(model) - wanted).max() < 2e-3 * wanted.std()


def test_a_shift_is_added_to_the_bias_also_where_there_was_none(quantiser: Quantiser) -> None:
    nodes = {name: node for node, name in quantiser.layers.items()}
    plain = run(quantiser.quantise(list(quantiser.layers)))
    shifted = quantiser.quantise([], {nodes["8"]: np.full(5, 3, np.float32), nodes["4"]: np.zeros(16, np.float32)})
    assert abs((run(shifted) - plain).mean() - 3) < 0.2
