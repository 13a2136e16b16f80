"""Small networks of each library in the layouts that people have, and what the library itself makes of a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import timm
import torch
import transformers as tr
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config
from torch import Tensor, nn
from torchvision import transforms
from torchvision.models import get_model, get_model_weights
from torchvision.models.efficientnet import FusedMBConv, MBConv
from torchvision.models.resnet import Bottleneck

from tests.sources.pictures import few

CLASSES = 5
SPREAD = 1.0
"""Standard deviation of a class's logit over the pictures: a random network would name the same class for each."""
DAMPED = 0.2
"""Weight of the last BatchNorm of a block."""
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SIDE = {"height": 64, "width": 64}

Prepare: TypeAlias = Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class Source:
    """A network that was written somewhere, and how its library runs it.

    Attributes:
        words: Of the command, after `tritonrepo export`.
        prepare: The library's own way from a picture to FP32 `[channels, height, width]`.
        run: The network itself, `[N, channels, height, width]` -> `[N, classes]`.
        independent: Whether its scores are of several labels.
    """

    words: tuple[str, ...]
    prepare: Prepare
    run: Callable[[Tensor], Tensor]
    independent: bool = False

    def probabilities(self, images: Tensor) -> NDArray[np.float32]:
        """`[N, channels, height, width]` -> FP32 `[N, classes]`."""
        with torch.no_grad():
            logits = torch.cat([self.run(image[None]) for image in images])
        found: NDArray[np.float32] = (logits.sigmoid() if self.independent else logits.softmax(-1)).numpy()
        return found


def of_timm(path: Path, name: str, args: dict[str, Any], **changes: Any) -> Source:
    """A fine-tuned head in timm's layout; `changes` are of its preprocessing."""
    torch.manual_seed(0)
    module = timm.create_model(name, num_classes=CLASSES, **args).eval()
    pretrained = {**module.pretrained_cfg, **changes, "num_classes": CLASSES}
    path.mkdir()
    config = {"architecture": name, "num_classes": CLASSES, "model_args": args, "pretrained_cfg": pretrained}
    (path / "config.json").write_text(json.dumps(config, default=str))
    save_file(module.state_dict(), path / "model.safetensors")
    own = timm.create_model(f"local-dir:{path}", pretrained=True).eval()
    prepare = create_transform(**resolve_model_data_config(own), is_training=False)
    settle(own, own.get_classifier(), own, prepare)
    save_file(own.state_dict(), path / "model.safetensors")
    return Source(("--model", f"timm:{path}"), prepare, own)


def of_torchvision(path: Path, name: str, args: dict[str, Any] | None = None) -> Source:
    """A checkpoint of one of its networks, in the file `path`."""
    torch.manual_seed(0)
    own = get_model(name, weights=None, **(args or {})).eval()
    prepare = get_model_weights(name).DEFAULT.transforms()
    head = own.fc if hasattr(own, "fc") else own.classifier[-1]
    settle(own, head, own, prepare)
    torch.save(own.state_dict(), path)
    return Source(("--model", f"torchvision:{name}", "--weights", str(path)), prepare, own)


def of_transformers(path: Path, model: Any, processor: Any, mode: str = "RGB") -> Source:
    """A directory of `save_pretrained`."""
    torch.manual_seed(0)
    made = model()
    made.save_pretrained(path)
    processor.save_pretrained(path)
    own = tr.AutoModelForImageClassification.from_pretrained(path).eval()
    own_processor = tr.AutoImageProcessor.from_pretrained(path, backend="pil")

    def prepare(picture: Image.Image) -> Tensor:
        tensor: Tensor = own_processor(picture.convert(mode), return_tensors="pt")["pixel_values"][0]
        return tensor

    settle(own, own.classifier, lambda images: own(images).logits, prepare)
    own.save_pretrained(path)
    independent = own.config.problem_type == "multi_label_classification"
    return Source(("--model", f"hf:{path}"), prepare, lambda images: own(images).logits, independent)


def of_program(path: Path) -> Source:
    """An exported program, and the file that says how its images are prepared."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 7, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 3)
    ).eval()
    prepare = usual(112, 96, transforms.InterpolationMode.BICUBIC)
    settle(module, module[-1], module, prepare)
    batch = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(module, (torch.zeros(2, 3, 96, 96),), dynamic_shapes=batch), path)
    path.with_suffix(".toml").write_text(
        'labels = ["a", "b", "c"]\n[preprocessing]\nresize = 112\ncrop = 96\ninterpolation = "bicubic"\n'
    )
    return Source(("--model", str(path), "--spec", str(path.with_suffix(".toml"))), prepare, module)


def usual(resize: int, crop: int, interpolation: Any = transforms.InterpolationMode.BILINEAR) -> Prepare:
    """ImageNet's usual pipeline, with torchvision."""
    prepare: Prepare = transforms.Compose(
        [
            transforms.Resize(resize, interpolation),
            transforms.CenterCrop(crop),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    return prepare


def settle(module: nn.Module, head: Any, run: Callable[[Tensor], Tensor], prepare: Prepare) -> None:
    """Make the numbers of a random network those of a sane one: its statistics, and logits that tell pictures apart."""
    images = torch.stack([prepare(picture) for picture in few()])
    images = torch.cat([images, 4 * torch.rand_like(images[:2]) - 2])
    with torch.no_grad():
        _damp(module)
        _measure(module, run, images)
        logits = run(images)
        ratio = SPREAD / (logits - logits.mean(0)).std()
        head.bias.copy_((head.bias - logits.mean(0)) * ratio)
        head.weight.mul_(ratio)


def _damp(module: nn.Module) -> None:
    """Let the blocks of torchvision's deep networks add little, or pictures of noise would end in huge numbers."""
    for part in module.modules():
        if isinstance(part, Bottleneck):
            part.bn3.weight.fill_(DAMPED)
        elif isinstance(part, (MBConv, FusedMBConv)):
            last: Any = part.block[-1]
            last[1].weight.fill_(DAMPED)


def _measure(module: nn.Module, run: Callable[[Tensor], Tensor], images: Tensor) -> None:
    """Let each BatchNorm keep the statistics of these images."""
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    run(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.eval()


def vit(**changes: Any) -> Any:
    config = {"image_size": 64, "patch_size": 16, "num_labels": CLASSES, **SMALL, **changes}
    return tr.ViTForImageClassification(tr.ViTConfig(**config))


def convnext() -> Any:
    config = tr.ConvNextConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 16, 16], num_labels=CLASSES)
    return tr.ConvNextForImageClassification(config)


def swin() -> Any:
    config = tr.SwinConfig(
        image_size=64, patch_size=4, embed_dim=12, depths=[1, 1], num_heads=[2, 2], window_size=4, num_labels=CLASSES
    )
    return tr.SwinForImageClassification(config)


def several(**changes: Any) -> Any:
    return vit(problem_type="multi_label_classification", **changes)
