"""ONNX in half precision: FP16 inside, FP32 at both ends."""

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto

from tests.conftest import TINY_SIDE, tiny_module
from tritonrepo.export import to_onnx_fp16

SHAPE = (3, TINY_SIDE, TINY_SIDE)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("half") / "model.onnx"
    to_onnx_fp16.convert(tiny_module(), SHAPE, path)
    return path


def test_onnx_fp16_is_fp16_inside_and_fp32_at_both_ends(half: Path) -> None:
    model = onnx.load(half)
    ends = [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)]
    assert ends == [TensorProto.FLOAT, TensorProto.FLOAT]
    kinds = {TensorProto.DataType.Name(tensor.data_type) for tensor in model.graph.initializer}
    assert "FLOAT" not in kinds
    assert "FLOAT16" in kinds


def test_onnx_fp16_computes_what_the_module_computes(half: Path) -> None:
    images = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    wanted = tiny_module()(images).detach().numpy()
    assert abs(to_onnx_fp16.load(half)(images.numpy()) - wanted).max() < 0.01 * wanted.std()
