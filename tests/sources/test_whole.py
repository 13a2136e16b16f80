"""From `--model` to the artifact, against the library's own pipeline from the picture to the probabilities."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import transformers as tr
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config
from torchvision.models import ResNet18_Weights, get_model

from tests.sources.test_transformers import SIDE, convnext, saved, swin, vit
from tritonrepo.client.preprocess import preprocess
from tritonrepo.export import FORMATS, Options, Serving, build, photographs, to_onnx, to_torchscript

PICTURES = 30
WORST = 1e-5
"""Of a probability: FP32 in two runtimes."""
RUNNERS = {"onnx": ("model.onnx", to_onnx.load), "torchscript": ("model.pt", to_torchscript.load)}
Pipeline = Callable[[Image.Image], NDArray[np.float32]]


def probabilities(module: Any, prepare: Callable[[Image.Image], torch.Tensor]) -> Pipeline:
    def run(picture: Image.Image) -> NDArray[np.float32]:
        with torch.no_grad():
            found: NDArray[np.float32] = module(prepare(picture)[None]).softmax(-1)[0].numpy()
        return found

    return run


def of_timm(path: Path, name: str, **changes: Any) -> tuple[str, Pipeline]:
    torch.manual_seed(0)
    module = timm.create_model(name, num_classes=7).eval()
    config = {"architecture": name, "num_classes": 7, "pretrained_cfg": {**module.pretrained_cfg, **changes}}
    (path / "config.json").write_text(json.dumps(config, default=str))
    save_file(module.state_dict(), path / "model.safetensors")
    own = timm.create_model(f"local-dir:{path}", pretrained=True).eval()
    transform = create_transform(**resolve_model_data_config(own), is_training=False)
    return f"timm:{path}", probabilities(own, transform)


def of_torchvision(path: Path) -> tuple[str, Pipeline]:
    torch.manual_seed(0)
    own = get_model("resnet18", weights=None).eval()
    torch.save(own.state_dict(), path / "weights.pth")
    return "torchvision:resnet18", probabilities(own, ResNet18_Weights.DEFAULT.transforms())


def of_transformers(path: Path, model: Any, processor: Any) -> tuple[str, Pipeline]:
    torch.manual_seed(0)
    name = saved(path, model(), processor)
    own = tr.AutoModelForImageClassification.from_pretrained(path).eval()
    prepare = tr.AutoImageProcessor.from_pretrained(path, backend="pil")
    return name, probabilities(
        lambda images: own(images).logits, lambda picture: prepare(picture, return_tensors="pt")["pixel_values"][0]
    )


SOURCES: dict[str, Callable[[Path], tuple[str, Pipeline]]] = {
    "timm ViT": lambda path: of_timm(path, "vit_tiny_patch16_224"),
    "timm ConvNeXt": lambda path: of_timm(path, "convnext_atto"),
    "timm squash": lambda path: of_timm(path, "resnet18", crop_mode="squash", crop_pct=0.9),
    "torchvision ResNet": of_torchvision,
    "transformers ViT": lambda path: of_transformers(path, vit, tr.ViTImageProcessor(size=SIDE)),
    "transformers Swin": lambda path: of_transformers(path, swin, tr.ViTImageProcessor(size=SIDE, resample=3)),
    "transformers ConvNeXt": lambda path: of_transformers(
        path, convnext, tr.ConvNextImageProcessor(size={"shortest_edge": 64})
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_artifacts_answer_as_the_library_does(source: str, tmp_path: Path) -> None:
    home = tmp_path / "source"
    home.mkdir()
    model, own = SOURCES[source](home)
    weights = str(home / "weights.pth") if (home / "weights.pth").is_file() else None
    formats = tuple(FORMATS[name] for name in RUNNERS)
    options = Options(model, weights, formats, tmp_path / "models", Serving(max_batch_size=2), name="net")
    result = build(options)
    assert result.exit_status == 0, result.errors
    views = [view.convert("RGB") for view in photographs.views(photographs.find(), PICTURES)]
    expected = np.stack([own(view) for view in views])
    for name, (file, load) in RUNNERS.items():
        run = load(tmp_path / f"models/net_{name}/1" / file)
        images = [preprocess(view, result.spec.preprocessing)[None] for view in views]
        found = torch.from_numpy(np.concatenate([run(image) for image in images])).softmax(-1).numpy()
        assert np.abs(found - expected).max() <= WORST
