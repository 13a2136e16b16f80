"""The golden images that an export writes, by the client's own pipeline."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from tests import factories
from tritonrepo.cli.main import main
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.export import golden, photographs, pixels
from tritonrepo.export.gate import pictures
from tritonrepo.export.gate.reference import Inputs, Reference, Values, observe
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.golden import PICTURES, SIDE, Golden
from tritonrepo.repository.manifest import read_manifest
from tritonrepo.repository.tolerance import FP16, FP32

NETWORK = factories.network()


def run(images: Inputs) -> Values:
    with torch.no_grad():
        values: Values = NETWORK(torch.from_numpy(images)).numpy()
    return values


@pytest.fixture(scope="module")
def expected() -> Reference:
    images = pictures.make(photographs.find(), factories.PREPROCESSING, 4)
    return observe(NETWORK, images, 4)


def test_few_photographs_spread_over_all() -> None:
    paths = photographs.find()
    found = golden.choose(paths, factories.PREPROCESSING)
    names = [one.file for one in found.photographs]
    assert len(names) == PICTURES
    assert (names[0], names[-1]) == (paths[0].name, paths[-1].name)
    assert found.photographs[0].sha256 == sha256(paths[0])
    assert found.pictures.shape == (PICTURES, SIDE, SIDE, 3)
    assert found.inputs.shape == (PICTURES, 3, factories.SIDE, factories.SIDE)


def test_fewer_photographs_than_pictures() -> None:
    found = golden.choose(photographs.find()[:2], Preprocessing(resize=20, crop=16))
    assert len(found.photographs) == len(found.pictures) == len(found.inputs) == 2


@pytest.mark.parametrize(("precision", "tolerance"), [("FP32", FP32), ("FP16", FP16), ("INT8", FP16)])
def test_the_artifact_says_what_is_right(precision: str, tolerance: object, expected: Reference) -> None:
    samples = golden.choose(photographs.find(), factories.PREPROCESSING)
    found = golden.ask(run, samples, expected, precision)
    assert found.tolerance == tolerance
    np.testing.assert_allclose(found.golden.scores, run(samples.inputs), atol=1e-5)
    assert 0.01 < found.scale < 10


@pytest.mark.slow
@pytest.mark.usefixtures("quick_exports")
@pytest.mark.parametrize("given", ["fp32", "uint8"])
def test_whoever_prepares_the_pictures_as_clients_do_gets_the_scores(given: str, tmp_path: Path) -> None:
    """From the repository alone, without the photographs; `serve` and any client do nothing else."""
    words = ["--model", "tests/factories.py:tiny", "--formats", "onnx", "--max-batch-size", "2", "--input", given]
    assert main(["export", *words, "--repository", str(tmp_path / "models")]) == 0
    version = tmp_path / "models" / "tiny_onnx" / "1"
    manifest = read_manifest(version)
    assert manifest.golden is not None
    assert manifest.golden.tolerance == FP32
    assert manifest.golden.file.sha256 == sha256(version / "golden.npz")
    found = Golden.from_bytes((version / "golden.npz").read_bytes())
    spec = factories.PREPROCESSING if given == "fp32" else pixels.contract(factories.PREPROCESSING)
    tensor = np.stack([preprocess(Image.fromarray(picture), spec) for picture in found.pictures])
    session = onnxruntime.InferenceSession(version / "model.onnx", providers=["CPUExecutionProvider"])
    (answered,) = session.run(None, {session.get_inputs()[0].name: tensor[:2]})
    assert np.abs(answered - found.scores[:2]).max() < 1e-5
    answered = np.concatenate([answered, found.scores[2:]])
    assert found.find_fault(answered, "logits", manifest.golden.scale, manifest.golden.tolerance) == ""
    assert found.find_fault(answered * 1.1, "logits", manifest.golden.scale, manifest.golden.tolerance) != ""
