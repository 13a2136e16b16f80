"""manifest.json: written, read, and read from the time before it had a schema."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.repository.manifests import ENGINE, MANIFEST
from tritonrepo.repository.errors import ManifestError
from tritonrepo.repository.manifest import Artifact, GoldenImages, Manifest, read_manifest
from tritonrepo.repository.tolerance import FP16

# As an earlier release wrote it, with the keys in its order.
BEFORE_SCHEMAS = """{
  "model": "tiny_onnx", "format": "onnx", "precision": "FP32", "trained": false,
  "weights": {"source": "factory factories.py:tiny", "sha256": "ab", "trained": false},
  "conversion": {},
  "verification": {
    "batch_sizes": [1, 3, 4], "images": 4, "tolerance": 0.0001, "tolerance_reason": "rounding",
    "worst_absolute": 1e-07, "worst_relative": 1e-06, "worst_probability": 1e-08,
    "top1_agreement": 1.0, "top5_agreement": 1.0
  },
  "libraries": {"python": "3.11.2", "torch": "2.13.0"},
  "created": "2026-10-01T12:00:00+00:00",
  "artifact": {"file": "model.onnx", "sha256": "cd", "bytes": 42}
}"""


GOLDEN = GoldenImages(
    Artifact("golden.npz", "ef", 400_000), (Artifact("cat.jpg", "01", 9), Artifact("dog.jpg", "23", 8)), 1.5, FP16
)


@pytest.mark.parametrize(
    "manifest",
    [MANIFEST, replace(MANIFEST, format="tensorrt", conversion=ENGINE), replace(MANIFEST, golden=GOLDEN)],
)
def test_what_is_written_is_read_back(manifest: Manifest) -> None:
    text = manifest.to_json()
    assert Manifest.from_json(text) == manifest
    assert json.loads(text)["schema"] == 1
    assert json.loads(text)["trained"] is False


def test_a_manifest_without_schema_is_read() -> None:
    manifest = Manifest.from_json(BEFORE_SCHEMAS)
    assert manifest.artifact == Artifact("model.onnx", "cd", 42)
    assert manifest.conversion is None
    assert manifest.golden is None
    assert manifest.schema == 1
    assert manifest.verification.batch_sizes == (1, 3, 4)
    assert manifest.created.year == 2026


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(MANIFEST.to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON: Expecting property name"),
        ("[" * 100_000, "is not JSON: maximum recursion depth"),
        ("[]", "is not a JSON object"),
        (changed(schema=2), "has the schema 2, and this release reads 1; install a later release"),
        (changed(format=[]), "expected str @ manifest.format"),
        (changed(artifact={"file": "a", "sha256": "b", "bytes": "3"}), "expected int @ manifest.artifact.bytes"),
        (changed(artifact={"file": "a", "sha256": "b"}), "required field missing @ manifest.artifact.bytes"),
        (changed(created="yesterday"), "expected datetime @ manifest.created"),
        (changed(conversion={"tensorrt": "11"}), "missing @ manifest.conversion.gpu"),
        ("{}", "missing @ manifest.format; required field missing @ manifest.precision; and 5 more"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        Manifest.from_json(text)
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read: No such file"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b"\xff")
    with pytest.raises(ManifestError, match=r"manifest\.json 'utf-8' codec"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ManifestError, match=r"manifest\.json is not a JSON object"):
        read_manifest(tmp_path)
