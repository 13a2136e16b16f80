"""TorchScript: what an artifact must be, whoever runs it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import factories
from tritonrepo.export import to_torchscript

SHAPE = (3, factories.SIDE, factories.SIDE)


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_torchscript_keeps_its_parameters_movable(tmp_path: Path) -> None:
    to_torchscript.convert(factories.network(), SHAPE, tmp_path / "model.pt")
    loaded: Any = torch.jit.load(tmp_path / "model.pt", map_location="meta")  # type: ignore[no-untyped-call]
    assert {parameter.device.type for parameter in loaded.parameters()} == {"meta"}
    assert len(list(loaded.parameters())) == len(list(factories.network().parameters()))


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_tensors_that_are_made_on_the_way_follow_the_images(tmp_path: Path) -> None:
    """The device "meta" stands for a GPU: it refuses tensors of the CPU beside its own."""
    module, _ = factories.device_pinned()
    to_torchscript.convert(module, SHAPE, tmp_path / "model.pt")
    loaded: Any = torch.jit.load(tmp_path / "model.pt", map_location="meta")  # type: ignore[no-untyped-call]
    assert loaded(torch.zeros(5, *SHAPE, device="meta")).device.type == "meta"
    images = torch.linspace(-1, 1, 3 * 3 * factories.SIDE**2).view(3, *SHAPE)
    expected = module(images).detach().numpy()
    np.testing.assert_allclose(to_torchscript.load(tmp_path / "model.pt")(images.numpy()), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_no_convolution_may_round_to_tf32(tmp_path: Path) -> None:
    """A trace keeps whether that is allowed; the last argument of a convolution says so."""
    assert torch.backends.cudnn.allow_tf32
    to_torchscript.convert(factories.network(), SHAPE, tmp_path / "model.pt")
    assert torch.backends.cudnn.allow_tf32
    loaded: Any = torch.jit.load(tmp_path / "model.pt")  # type: ignore[no-untyped-call]
    graph = loaded.inlined_graph
    convolutions = graph.findAllNodes("aten::_convolution", recurse=True)
    assert [list(node.inputs())[-1].toIValue() for node in convolutions] == [False, False]
