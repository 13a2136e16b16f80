"""TorchScript: what an artifact must be, whoever runs it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests import factories
from tritonrepo.export import to_torchscript
from tritonrepo.export.errors import ConversionError

SHAPE = (3, factories.SIDE, factories.SIDE)


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_torchscript_keeps_its_parameters_movable(tmp_path: Path) -> None:
    to_torchscript.convert(factories.network(), SHAPE, tmp_path / "model.pt")
    loaded: Any = torch.jit.load(tmp_path / "model.pt", map_location="meta")  # type: ignore[no-untyped-call]
    assert {parameter.device.type for parameter in loaded.parameters()} == {"meta"}
    assert len(list(loaded.parameters())) == len(list(factories.network().parameters()))


def test_torchscript_pinned_to_a_device_is_refused(tmp_path: Path) -> None:
    module, _ = factories.device_pinned()
    with pytest.raises(ConversionError, match=r"arange|device") as caught:
        to_torchscript.convert(module, SHAPE, tmp_path / "model.pt")
    assert "register them as buffers" in str(caught.value)
