"""A classifier whose answers tell by which preprocessing they were made, and releases of it that change everything."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.repository.files import swap_all

MODEL = "net_onnx"


@dataclass(frozen=True)
class Release:
    """What one version promises; its class `i` scores (mean of the picture's channel `i % 3`) times `1 + i // 3`."""

    side: int
    mean: float
    labels: Sequence[str]
    most: int = 8
    resize: int = 36

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
            weights[index % 3, index] = 1 + index // 3
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
        path.parent.mkdir(parents=True)
        onnx.save_model(model, str(path))


def publish(repository: Path, version: int, release: Release) -> None:
    """Swap a whole model directory in, as our exporter does: the new version, and those before it as they were."""
    following = repository.parent / "staging" / str(version) / MODEL
    release.write(following / str(version) / "model.onnx")
    (following / "config.pbtxt").write_text(release.config())
    (following / "labels.txt").write_text("".join(f"{label}\n" for label in release.labels))
    live = repository / MODEL
    for old in live.iterdir() if live.exists() else ():
        if old.is_dir():
            (following / old.name).mkdir()
            os.link(old / "model.onnx", following / old.name / "model.onnx")
    repository.mkdir(exist_ok=True)
    swap_all([(following, live)])


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
