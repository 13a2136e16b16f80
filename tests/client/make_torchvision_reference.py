"""Make tests/client/data/torchvision_reference.json, in an environment of its own, as torchvision is no dependency:

    python3.11 -m venv /tmp/oracle && /tmp/oracle/bin/pip install torch==2.14.1 torchvision==0.29.1 pillow==13.0.0
    /tmp/oracle/bin/python -m tests.client.make_torchvision_reference .venv/lib/python3.11/site-packages/skimage/data

Every picture goes through torchvision's Resize, CenterCrop, ToTensor and Normalize, the pipeline that NVIDIA's page
for ResNeXt101-32x4d uses, after `convert("RGB")`, as torchvision's loader does (16-bit grey, which that would clip, is
scaled by 1/257 first). Kept of each tensor: the SHA-256 of its FP32 bytes, and every 32nd value along both sides.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from tests.client.reference_images import PIPELINES, reference_images

OUTPUT = Path(__file__).parent / "data" / "torchvision_reference.json"
STRIDE = 32


def main(photographs: Path) -> None:
    cases = {
        f"{pipeline} | {name}": _summary(_reference(image, *settings))
        for name, image in reference_images(photographs)
        for pipeline, settings in PIPELINES.items()
        if pipeline == "seed" or _is_ordinary(image)
    }
    versions = {name: version(name) for name in ("torch", "torchvision", "pillow")}
    head = f'{{"versions": {json.dumps(versions)}, "stride": {STRIDE}, "cases": {{\n'
    lines = [f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()]
    OUTPUT.write_text(head + ",\n".join(lines) + "\n}}\n")


def _is_ordinary(image: Image.Image) -> bool:
    """torchvision really makes the whole resized picture, which for a long one in every pipeline takes too long."""
    return max(image.size) < 24 * min(image.size) and image.mode == "RGB"


def _reference(image: Image.Image, resize: int, crop: int, interpolation: str) -> torch.Tensor:
    if image.mode == "I;16":
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    pipeline = transforms.Compose(
        [
            transforms.Resize(resize, interpolation=transforms.InterpolationMode(interpolation)),
            transforms.CenterCrop(crop),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    tensor: torch.Tensor = pipeline(
        image.convert("RGBA").convert("RGB") if image.mode == "PA" else image.convert("RGB")
    )
    return tensor


def _summary(tensor: torch.Tensor) -> dict[str, object]:
    values = tensor.numpy()
    sample = values[:, ::STRIDE, ::STRIDE].ravel()
    return {
        "sha256": hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest(),
        "sample": [float(f"{value:.8g}") for value in sample],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
