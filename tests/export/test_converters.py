"""What every converter does, whatever its format."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from tests import factories
from tritonrepo.export import to_onnx, to_torchscript
from tritonrepo.export.errors import ConversionError

SHAPE = (3, factories.SIDE, factories.SIDE)
pytestmark = pytest.mark.parametrize(
    "converter", [pytest.param(to_torchscript, id="torchscript"), pytest.param(to_onnx, id="onnx")]
)


def test_any_batch_size_gives_pytorchs_logits(converter: ModuleType, tmp_path: Path) -> None:
    module = factories.network()
    converter.convert(module, SHAPE, tmp_path / "model")
    run = converter.load(tmp_path / "model")
    for size in (1, 2, 5, 64):
        images = np.random.default_rng(size).standard_normal((size, *SHAPE), np.float32)
        expected = module(torch.from_numpy(images)).detach().numpy()
        np.testing.assert_allclose(run(images), expected, atol=1e-5)


def test_a_module_that_fails_is_refused(converter: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"dim|shapes"):
        converter.convert(nn.Linear(7, 3), SHAPE, tmp_path / "model")
