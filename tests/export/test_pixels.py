"""A network behind its normalisation takes pixels, and computes what it computed."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tests import factories
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale
from tritonrepo.export import photographs, pixels, to_onnx, to_onnx_fp16, to_torchscript
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.pixels import FromPixels
from tritonrepo.export.precision import in_half

pytestmark = pytest.mark.slow

SIDE = factories.SIDE
USUAL = Preprocessing(resize=SIDE + 4, crop=SIDE)
OTHERS = (
    USUAL,
    Preprocessing.of_steps([Resize(24, 40, "contain"), Crop(24, 40, fill=(9, 99, 199)), Scale(127.5, -1.0)]),
    Preprocessing.of_steps([Crop(30, 20), Scale(), Normalise((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))], channels="BGR"),
    Preprocessing.of_steps([Resize(20, 20), Scale(), Normalise((0.5,), (0.25,))], channels="L"),
    Preprocessing.of_steps([Resize(20, 20)]),
)


def pictures(preprocessing: Preprocessing) -> NDArray[Any]:
    read = [photographs.read(path) for path in photographs.find()[:4]]
    return np.stack([preprocess(picture, preprocessing) for picture in read])


@pytest.mark.parametrize("preprocessing", OTHERS, ids=str)
def test_the_graph_and_the_client_normalise_alike(preprocessing: Preprocessing) -> None:
    front = FromPixels(torch.nn.Identity(), preprocessing)
    found = front(torch.from_numpy(pictures(pixels.contract(preprocessing)))).numpy()
    np.testing.assert_allclose(found, pictures(preprocessing), rtol=1e-6, atol=1e-6)
    assert found.flags.c_contiguous


def test_a_normalisation_that_differs_is_found() -> None:
    module = FromPixels(factories.network(), Preprocessing(resize=SIDE + 4, crop=SIDE, mean=(0.4851, 0.456, 0.406)))
    with pytest.raises(VerificationError, match=r"differ by 0\.0004"):
        pixels.check(module, pictures(pixels.contract(USUAL)), pictures(USUAL))


@pytest.mark.parametrize(("converter", "tolerance"), [(to_torchscript, 1e-5), (to_onnx, 1e-5), (to_onnx_fp16, 2e-2)])
def test_artifacts_take_pixels_in_batches_of_any_size(converter: object, tolerance: float, tmp_path: Path) -> None:
    network = factories.network()
    module = FromPixels(network, USUAL)
    converter.convert(module, (SIDE, SIDE, 3), tmp_path / "model")  # type: ignore[attr-defined]
    run = converter.load(tmp_path / "model")  # type: ignore[attr-defined]
    given, images = pictures(pixels.contract(USUAL)), pictures(USUAL)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    for size in (1, 3, 4):
        np.testing.assert_allclose(run(given[:size]), expected[:size], atol=tolerance)


def test_pixels_are_normalised_in_fp32_before_a_half_precision_network(tmp_path: Path) -> None:
    half = in_half(FromPixels(factories.network(), USUAL))
    assert {tensor.dtype for tensor in half.buffers() if tensor.numel() == 3} == {torch.float32}
    to_onnx_fp16.convert(FromPixels(factories.network(), USUAL), (SIDE, SIDE, 3), tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    convolution = next(node for node in graph.node if node.op_type == "Conv")
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    assert kinds[convolution.input[1]] == onnx.TensorProto.FLOAT16
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_black_and_white_pixels_are_the_ends_of_the_range() -> None:
    ends = np.stack([np.asarray(Image.new("RGB", (SIDE, SIDE), (level,) * 3)) for level in (0, 255)])
    found = FromPixels(torch.nn.Identity(), Preprocessing.of_steps([Resize(SIDE, SIDE), Scale(127.5, -1.0)]))
    assert found(torch.from_numpy(ends)).flatten(1).unique(dim=1).tolist() == [[-1.0], [1.0]]
