"""A classifier whose answers tell by which preprocessing they were made, and releases of it that change everything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tests.repository.manifests import manifest_of
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.publish import open_repository

MODEL = "net_onnx"


@dataclass(frozen=True)
class Release:
    """What one version promises; its class `i` scores (mean of the picture's channel `i % 3`) times `1 + i // 3`.

    Attributes:
        side: Of the input, in pixels.
        mean: Which the preprocessing takes off each channel.
        labels: One for each class.
        most: The largest batch.
        resize: The short side before the crop, in pixels.
        scale: By which the weights are multiplied.
        padding: Bytes by which the artifact is made longer.
    """

    side: int
    mean: float
    labels: Sequence[str]
    most: int = 8
    resize: int = 36
    scale: float = 1.0
    padding: int = 0

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing.from_json(self._json())

    def _json(self) -> str:
        return json.dumps({
            "resize": self.resize, "crop": self.side, "interpolation": "bilinear", "mean": [self.mean] * 3,
            "std": [0.25, 0.5, 0.75], "layout": "NCHW", "dtype": "FP32",
        })  # fmt: skip

    def config(self) -> str:
        preprocessing = self._json().replace('"', '\\"')
        return f"""
name: "{MODEL}"
backend: "onnxruntime"
max_batch_size: {self.most}
input {{ name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3, {self.side}, {self.side} ] }}
output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ {len(self.labels)} ] label_filename: "labels.txt" }}
instance_group {{ kind: KIND_CPU count: 1 }}
parameters {{ key: "preprocessing" value {{ string_value: "{preprocessing}" }} }}
"""

    def weights(self) -> NDArray[np.float32]:
        """[3, classes]."""
        weights = np.zeros((3, len(self.labels)), np.float32)
        for index in range(len(self.labels)):
            weights[index % 3, index] = self.scale * (1 + index // 3)
        return weights

    def expected(self, picture: Path) -> dict[str, float]:
        """The score of each label, computed here."""
        with Image.open(picture) as image:
            tensor = preprocess(image.convert("RGB"), self.preprocessing)
        scores = tensor.astype(np.float64).mean(axis=(1, 2)) @ self.weights()
        return dict(zip(self.labels, scores.tolist(), strict=True))

    def write(self, path: Path) -> None:
        """The artifact."""
        x = helper.make_tensor_value_info("INPUT__0", TensorProto.FLOAT, ["n", 3, self.side, self.side])
        y = helper.make_tensor_value_info("OUTPUT__0", TensorProto.FLOAT, ["n", len(self.labels)])
        nodes = [
            helper.make_node("GlobalAveragePool", ["INPUT__0"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["OUTPUT__0"]),
        ]
        graph = helper.make_graph(nodes, "net", [x], [y], [numpy_helper.from_array(self.weights(), "weights")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        model.doc_string = "x" * self.padding
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save_model(model, str(path))


def draw_pictures(directory: Path, count: int) -> list[Path]:
    """Pictures of another brightness at the rim than in the middle, so that each crop has its own mean."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[-1:1:60j, -1:1:72j]
    for number in range(count):
        distance = np.maximum(abs(rows - rng.uniform(-0.2, 0.2)), abs(columns))[..., None]
        values = 255 * np.clip(distance * rng.uniform(0.2, 1, 3) + rng.uniform(0, 0.3, 3), 0, 1)
        Image.fromarray(values.astype(np.uint8)).save(directory / f"{number:02}.png")
    return sorted(directory.iterdir())


def publish(repository: Path, version: int, release: Release) -> None:
    """As our exporter does it; it has to become this version."""
    with open_repository(repository) as ours:
        artifact = ours.workspace(MODEL) / "model.onnx"
        release.write(artifact)
        manifest = manifest_of(artifact)
        candidate = Candidate(MODEL, artifact, release.config(), tuple(release.labels), manifest)
        (done,) = ours.publish([candidate], keep=99)
        assert (done.version, done.status) == (version, "published")


LETTERS = ("alpha", "beta", "gamma", "delta", "epsilon")
FIRST = Release(32, 0.5, LETTERS)
OTHERS = {
    "mean": Release(32, 0.1, LETTERS),
    "crop": Release(24, 0.5, LETTERS),
    "resize": Release(32, 0.5, LETTERS, resize=48),
    "label order": Release(32, 0.5, LETTERS[::-1]),
    "fewer classes": Release(32, 0.5, LETTERS[:4]),
    "more classes": Release(32, 0.5, (*LETTERS, "zeta", "eta")),
    "smaller batches": Release(32, 0.5, LETTERS, most=3),
}
