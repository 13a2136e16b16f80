"""ONNX: what an artifact must be, whoever runs it."""

from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from tests import factories
from tritonrepo.export import to_onnx
from tritonrepo.export.errors import ConversionError

pytestmark = pytest.mark.slow

SHAPE = (3, factories.SIDE, factories.SIDE)


@pytest.mark.slow
def test_the_same_module_gives_the_same_onnx_without_paths_of_this_machine(tmp_path: Path) -> None:
    for name in ("a", "b"):
        to_onnx.convert(factories.network(), SHAPE, tmp_path / name)
    content = (tmp_path / "a").read_bytes()
    assert content == (tmp_path / "b").read_bytes()
    assert str(Path(factories.__file__).parent).encode() not in content
    assert b"site-packages" not in content


def test_onnx_is_what_the_contract_says(tmp_path: Path) -> None:
    to_onnx.convert(factories.network(), SHAPE, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert model.ir_version <= 9  # what ONNX Runtime 1.17 reads
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, logits.name) == ("INPUT__0", "OUTPUT__0")
    for value, rest in ((image, list(SHAPE)), (logits, [factories.CLASSES])):
        tensor = value.type.tensor_type
        assert tensor.elem_type == onnx.TensorProto.FLOAT
        assert tensor.shape.dim[0].dim_param == "batch"
        assert [dim.dim_value for dim in tensor.shape.dim][1:] == rest


def test_a_module_that_onnx_cannot_express_is_refused_in_a_line(tmp_path: Path) -> None:
    module, _ = factories.data_dependent()
    with pytest.raises(ConversionError, match=r"factories\.py, line \d+: if float\(x\.sum\(\)\) > 1e9") as caught:
        to_onnx.convert(module, SHAPE, tmp_path / "model.onnx")
    assert len(str(caught.value)) < 1000
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("around", [False, True], ids=["itself", "a part"])
def test_a_module_of_torch_jit_is_refused_by_name(around: bool, tmp_path: Path) -> None:
    traced = torch.jit.trace(factories.network(), torch.zeros(2, *SHAPE))  # type: ignore[no-untyped-call]
    module = nn.Sequential(traced, nn.ReLU()) if around else traced
    with pytest.raises(ConversionError, match=r"compiled by torch\.jit, .*--formats torchscript"):
        to_onnx.convert(module, SHAPE, tmp_path / "model.onnx")
