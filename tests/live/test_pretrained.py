"""A pretrained network in the real Triton, in FP32 and INT8: true labels, and PyTorch's classes of unseen pictures."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.int8 import without_accelerator
from examples.efficientnet_lite0 import efficientnet_lite0
from tests.conftest import ShortLived
from tritonrepo.cli.main import main
from tritonrepo.client import Classifier, Connection
from tritonrepo.client.preprocess import preprocess
from tritonrepo.export import photographs
from tritonrepo.repository.layout import MANIFEST_FILENAME
from tritonrepo.serve.triton import TritonServer

pytestmark = [pytest.mark.live, pytest.mark.slow]
PHOTOGRAPHS = {
    "chelsea.png": ("tabby", "Egyptian cat"),
    "coffee.png": ("espresso",),
    "camera.png": ("tripod",),
    "rocket.jpg": ("missile",),
    "motorcycle_left.png": ("moped",),
}
CLASSES = {"coffee.png": 967, "camera.png": 872, "rocket.jpg": 657, "motorcycle_left.png": 665}
"""Espresso, tripod, missile, moped."""
NAME = "efficientnet_lite0"
IN_FP32 = {"TorchScript": f"{NAME}_torchscript", "ONNX Runtime": "plain_onnx", "OpenVINO": f"{NAME}_onnx"}
IN_INT8 = {"ONNX Runtime": "plain_onnx_int8", "OpenVINO": f"{NAME}_onnx_int8"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, quick_exports: None) -> Path:
    """The graphs of ONNX are there twice, for OpenVINO and for ONNX Runtime."""
    root = tmp_path_factory.mktemp("pretrained") / "models"
    words = ["--model", f"examples/{NAME}.py:{NAME}", "--max-batch-size", "4", "--repository", str(root)]
    words += ["--formats", "torchscript,onnx,onnx_int8", "--onnx-accelerator", "openvino"]
    assert main(["export", *words]) == 0
    for models in (IN_FP32, IN_INT8):
        without_accelerator(root / models["OpenVINO"], models["ONNX Runtime"])
    return root


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[TritonServer]:
    with ShortLived(repository) as running:
        yield running


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The six photographs that the default calibration leaves, whole and in quarters: 30 pictures."""
    directory = tmp_path_factory.mktemp("unseen")
    made = []
    for path in photographs.find()[1::2]:
        picture = photographs.read(path).convert("RGB")
        width, height = (side // 2 for side in picture.size)
        corners = [(x, y) for x in (0, width) for y in (0, height)]
        for index, part in enumerate([picture, *(picture.crop((x, y, x + width, y + height)) for x, y in corners)]):
            made.append(directory / f"{path.stem}-{index}.png")
            part.save(made[-1], compress_level=1)
    return made


@pytest.fixture(scope="module")
def wanted(unseen: list[Path]) -> NDArray[np.float32]:
    """PyTorch's probabilities of the unseen pictures."""
    module, spec = efficientnet_lite0()
    images = np.stack([preprocess(Image.open(path), spec.preprocessing) for path in unseen])
    with torch.inference_mode():
        found: NDArray[np.float32] = module.eval()(torch.from_numpy(images)).softmax(1).numpy()
    return found


@pytest.mark.parametrize(
    ("model", "protocol"),
    [
        (IN_FP32["TorchScript"], "grpc"),
        (IN_FP32["TorchScript"], "http"),
        (IN_FP32["ONNX Runtime"], "grpc"),
        (IN_FP32["ONNX Runtime"], "http"),
        (IN_FP32["OpenVINO"], "grpc"),
        (IN_INT8["ONNX Runtime"], "grpc"),
        (IN_INT8["OpenVINO"], "grpc"),
    ],
)
def test_photographs_have_their_true_labels(server: TritonServer, model: str, protocol: str) -> None:
    paths = [Path(str(files("skimage") / "data" / name)) for name in PHOTOGRAPHS]
    url = server.grpc_url if protocol == "grpc" else server.http_url
    with Classifier(url, model=model, connection=Connection(protocol)) as classifier:
        results = list(classifier.classify(paths))
    for result, (name, labels) in zip(results, PHOTOGRAPHS.items(), strict=True):
        assert result.predictions[0].label.startswith(labels), name


def test_the_manifest_says_what_was_measured_and_what_stayed(repository: Path) -> None:
    found = json.loads((repository / IN_INT8["OpenVINO"] / "1" / MANIFEST_FILENAME).read_text())["verification"]
    assert found["runtime"] == "OpenVINO"
    assert found["top1_agreement"] >= 0.96
    assert 0 < found["rounded"]["divergence"] < 0.05
    assert found["rounded"]["calibration"] == "6 of the 12 verification photographs"
    assert (found["rounded"]["layers"], len(found["rounded"]["kept"]) <= 25) == (50, True)


@pytest.mark.parametrize("runtime", IN_INT8)
def test_unseen_photographs_have_pytorchs_best_class(
    server: TritonServer, unseen: list[Path], wanted: NDArray[np.float32], runtime: str
) -> None:
    with Classifier(server.grpc_url, model=IN_INT8[runtime]) as classifier:
        chosen = [result.predictions[0].index for result in classifier.classify(unseen)]
    likely, best = wanted[np.arange(len(chosen)), chosen], wanted.max(axis=1)
    # Where PyTorch itself is torn between two classes, by a tenth or by half a percent, either is right.
    agree = (likely >= 0.9 * best) | (best - likely <= 0.005)
    assert len(chosen) == 30
    assert agree.mean() >= 0.96


def test_evaluate_holds_both_against_each_other(
    server: TritonServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{files('skimage') / 'data' / name},{index}" for name, index in CLASSES.items()]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows]))
    words = ["evaluate", str(tmp_path / "labels.csv"), "--model", ",".join(IN_INT8.values()), "--format", "json"]
    assert main([*words, "--url", server.grpc_url]) == 0
    first, second = map(json.loads, capfd.readouterr().out.splitlines())
    assert (first["top1"], "against" in first) == (1.0, False)
    assert second["against"]["model"] == IN_INT8["ONNX Runtime"]
    assert (second["against"]["gained"], second["against"]["lost"], second["against"]["mcnemar_p"]) == (0, 0, 1.0)
