"""A manifest for tests that publish something of their own."""

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tritonrepo.repository.manifest import Artifact, EngineFacts, Manifest, Verification, Weights

ENGINE = EngineFacts(
    tensorrt="11.4.0.99",
    gpu="NVIDIA L4",
    compute_capability="8.9",
    triton_release="26.11",
    hardware_compatible=True,
    version_compatible=False,
    workspace_mib=4096,
    optimisation_level=3,
    layers=12,
    fp16_layers=10,
    convolutions=2,
    fp16_convolutions=2,
)
MANIFEST = Manifest(
    model="net_onnx",
    format="onnx",
    precision="FP32",
    artifact=Artifact("model.onnx", "0" * 64, 3),
    weights=Weights("seeded 0", "1" * 64, trained=False),
    verification=Verification((1, 3, 8), 8, 1e-3, "a reason", 1e-5, 1e-4, 1e-7, 1.0, 1.0),
    libraries={"torch": "2.13.0"},
    created=datetime(2026, 11, 25, tzinfo=timezone.utc),
)


def manifest_of(artifact: Path, **changes: Any) -> Manifest:
    """`MANIFEST` with another artifact, and whatever else is to differ."""
    return replace(MANIFEST, artifact=Artifact.of(artifact), **changes)
