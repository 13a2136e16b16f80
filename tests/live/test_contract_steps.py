"""Contracts of schema 2: exported, served by the embedded Triton and classified, against Pillow and PyTorch by hand."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import ShortLived
from tritonrepo.cli.main import main
from tritonrepo.client import Classifier
from tritonrepo.client.class_sets import IMAGENET, synsets
from tritonrepo.client.connection import Connection
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live
FACTORIES = """
import torch
from torch import nn
from tritonrepo.export import Crop, ModelSpec, Normalise, Preprocessing, Resize, Scale


def network(channels, classes):
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d((4, 5)), nn.Flatten(), nn.Linear(channels * 20, classes))


def spec(name, preprocessing):
    return ModelSpec(name, labels=("a", "b", "c"), preprocessing=preprocessing)


def padded():
    steps = [Resize(24, 40, "contain", "box"), Crop(24, 40, fill=(9, 99, 199)), Scale(127.5, -1.0)]
    return network(3, 3), spec("padded", Preprocessing.of_steps(steps, channels="BGR"))


def grey():
    steps = [Resize(20, 20, "exact", "lanczos"), Scale(), Normalise((0.5,), (0.25,))]
    return network(1, 3), spec("grey", Preprocessing.of_steps(steps, channels="L"))


def imagenets():
    return network(3, 1000), ModelSpec("imagenets", preprocessing=Preprocessing(resize=36, crop=32))
"""
PHOTOGRAPHS = [Path(str(files("skimage") / "data" / name)) for name in ("chelsea.png", "camera.png", "coffee.png")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, quick_exports: None) -> Path:
    path = tmp_path_factory.mktemp("steps")
    (path / "mine.py").write_text(FACTORIES)
    for name, formats in (("padded", "onnx,torchscript"), ("grey", "onnx"), ("imagenets", "onnx")):
        words = ["--model", f"{path}/mine.py:{name}", "--formats", formats, "--max-batch-size", "2"]
        assert main(["export", "--repository", str(path / "models"), *words]) == 0
    for name, formats in (("padded", "onnx,torchscript,onnx_fp16"), ("grey", "onnx")):
        words = ["--model", f"{path}/mine.py:{name}", "--input", "uint8", "--name", f"{name}_of_pixels"]
        more = ["--formats", formats, "--max-batch-size", "2"]
        assert main(["export", "--repository", str(path / "models"), *words, *more]) == 0
    return path


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[TritonServer]:
    with ShortLived(home / "models", shared_memory=True) as running:
        yield running


def linear(channels: int) -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(channels * 20, 3)


def padded(picture: Image.Image) -> NDArray[np.float32]:
    assert picture.width * 24 < picture.height * 40  # the height fills the box
    width, height = int(24 * picture.width / picture.height), 24
    board = Image.new("RGB", (40, 24), (9, 99, 199))
    board.paste(picture.resize((width, height), Image.Resampling.BOX), ((40 - width) // 2, (24 - height) // 2))
    pixels: NDArray[np.float32] = np.asarray(board)[:, :, ::-1].transpose(2, 0, 1) / np.float32(127.5) - 1
    return pixels


def grey(picture: Image.Image) -> NDArray[np.float32]:
    small = picture.convert("L").resize((20, 20), Image.Resampling.LANCZOS)
    pixels: NDArray[np.float32] = (np.asarray(small, np.float32)[None] / 255 - 0.5) / 0.25
    return pixels


@pytest.mark.parametrize(("name", "format"), [("padded", "onnx"), ("padded", "torchscript"), ("grey", "onnx")])
def test_a_pipeline_of_steps_is_served_as_it_was_exported(server: TritonServer, name: str, format: str) -> None:
    with Classifier(server.grpc_url, model=f"{name}_{format}") as classifier:
        check(classifier, name, 1e-5)


@pytest.mark.parametrize("protocol", ["grpc", "http", "shared memory"])
@pytest.mark.parametrize(
    ("name", "format"), [("padded", "onnx"), ("padded", "torchscript"), ("padded", "onnx_fp16"), ("grey", "onnx")]
)
def test_the_same_from_pixels(server: TritonServer, name: str, format: str, protocol: str) -> None:
    url = server.http_url if protocol == "http" else server.grpc_url
    connection = Connection(protocol="http" if protocol == "http" else "grpc")
    shared = protocol == "shared memory"
    served = f"{name}_of_pixels_{format}"
    with Classifier(url, model=served, connection=connection, shared_memory=shared) as classifier:
        assert classifier.contract.input.datatype == "UINT8"
        assert classifier.contract.input.shape == {"padded": (24, 40, 3), "grey": (20, 20, 1)}[name]
        check(classifier, name, 5e-3 if format == "onnx_fp16" else 1e-5)


def check(classifier: Classifier, name: str, tolerance: float) -> None:
    """Hold the scores of the photographs against what is computed by hand."""
    by_hand = {"padded": padded, "grey": grey}[name]
    results = list(classifier.classify(PHOTOGRAPHS))
    for path, result in zip(PHOTOGRAPHS, results, strict=True):
        assert result.error is None
        with Image.open(path) as picture:
            prepared = torch.from_numpy(np.ascontiguousarray(by_hand(picture.convert("RGB"))))[None]
        layer = linear(prepared.shape[1])
        with torch.no_grad():
            expected = layer(torch.nn.functional.adaptive_avg_pool2d(prepared, (4, 5)).flatten(1))[0].numpy()
        found = {prediction.label: prediction.score for prediction in result.predictions}
        assert np.allclose([found[label] for label in "abc"], expected, atol=tolerance)


def test_the_configuration_can_be_read_and_the_ids_are_there(home: Path, server: TritonServer) -> None:
    written = (home / "models/imagenets_onnx/config.pbtxt").read_text()
    assert "n01440764" not in written
    assert len(written) < 3000
    with Classifier(server.grpc_url, model="imagenets_onnx") as classifier:
        assert classifier.contract.synsets == synsets(IMAGENET)
