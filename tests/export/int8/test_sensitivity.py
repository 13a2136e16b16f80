"""What each layer loses, measured in one pass."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.export.int8.networks import graph, images
from tritonrepo.export.int8.graph import Quantiser, session
from tritonrepo.export.int8.sensitivity import measure

pytestmark = pytest.mark.slow


def run(model: onnx.ModelProto, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = session(model, exact=True).run(["OUTPUT__0"], {"INPUT__0": pictures})[0]
    return found


def test_every_layer_has_a_loss_and_its_shift_makes_the_scores_better(tmp_path: Path) -> None:
    quantiser = Quantiser(graph(tmp_path), images(32))
    plain = quantiser.quantise()
    found = measure(quantiser.model, plain, images(32))
    assert found.keys() == quantiser.layers.keys()
    assert all(0 < one.loss < 0.05 for one in found.values())
    shifts = {name: one.shift for name, one in found.items() if one.shift is not None}
    wanted, rounded = run(quantiser.model, images(64, 1)), run(plain, images(64, 1))
    better = run(quantiser.quantise([], shifts), images(64, 1))
    assert abs((better - wanted).mean(axis=0)).sum() < 0.5 * abs((rounded - wanted).mean(axis=0)).sum()


def test_the_last_layers_loss_is_that_of_the_graph_with_it_alone_in_int8(tmp_path: Path) -> None:
    quantiser = Quantiser(graph(tmp_path), images(32))
    last = next(node for node, name in quantiser.layers.items() if name == "8")
    one = measure(quantiser.model, quantiser.quantise(), images(32))[last]
    alone = quantiser.quantise([node for node in quantiser.layers if node != last])
    wanted, rounded = run(quantiser.model, images(32)), run(alone, images(32))
    apart = wanted - rounded
    assert one.shift == pytest.approx(apart.mean(axis=0), abs=1e-3)
    assert one.loss == pytest.approx(apart.var(axis=0).sum() / (wanted**2).mean(axis=0).sum(), rel=0.1)
