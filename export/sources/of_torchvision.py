"""torchvision's networks, by name and weights. The only importer of torchvision."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
import torchvision
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torchvision.models import WeightsEnum, get_model, get_model_weights, list_models
from torchvision.transforms._presets import ImageClassification

from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step
from tritonrepo.export.options import Notice, Options
from tritonrepo.export.sources.loaded import Loaded, Origins, Transform
from tritonrepo.export.sources.parameters import Network, fill
from tritonrepo.repository.spec import ModelSpec

BUILT: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"transform_input": True, "aux_logits": False, "init_weights": True},
    "inception_v3": {"transform_input": True, "init_weights": True},
}
"""How networks of trained weights are built, where networks without are built otherwise: these shift their input."""


def load(wanted: str, options: Options, notice: Notice) -> Loaded:
    """The network `NAME[:WEIGHTS]`; without WEIGHTS, the library's best.

    WEIGHTS also say how images are prepared, so that they count with another `--weights` too.

    Args:
        wanted: As in `resnet50:IMAGENET1K_V2`.
        options: `--weights`, `--ema`, `--classes`.
        notice: Takes a sentence.

    Raises:
        UsageError: torchvision has no such network or weights, or it is no classifier of images.
        TritonRepoError: As `fill` raises it.
    """
    name, _, tag = wanted.partition(":")
    chosen = _weights(name, tag)
    network = Network(
        f"torchvision:{wanted}",
        f"torchvision {name} {chosen.name}",
        lambda: get_model(name, weights=chosen),
        lambda classes: _bare(name, chosen, classes),
    )
    transform = chosen.transforms()
    if not isinstance(transform, ImageClassification):
        raise UsageError(f"--model torchvision:{wanted}: prepares its input by {type(transform).__name__}, no picture")
    filled = fill(network, options, notice)
    # torchvision writes ImageNet's names in short; the WordNet names are those of its 1000 classes too.
    categories = chosen.meta["categories"]
    labels = () if len(categories) == 1000 or filled.other_head else tuple(categories)
    spec = ModelSpec(name, labels, preprocessing=describe(transform), trained=filled.weights.trained)
    origins = Origins(f"torchvision's {chosen}", f"the categories of {chosen}", filled.classes)
    return Loaded(filled.module, spec, filled.weights, origins, _transform(transform))


def _bare(name: str, chosen: WeightsEnum, classes: int | None) -> nn.Module:
    """As torchvision builds it for these weights, which is not always as it builds it for none."""
    more = dict(BUILT.get(name, {}))
    if name.startswith("vit_"):
        more["image_size"] = chosen.meta["min_size"][0]
    if classes is not None:
        more["num_classes"] = classes
    module: nn.Module = get_model(name, weights=None, **more)
    return module


def _weights(name: str, tag: str) -> WeightsEnum:
    known = list_models(module=torchvision.models)
    if name not in known:
        near = ", ".join(get_close_matches(name, known))
        raise UsageError(
            f"--model torchvision:{name}: torchvision {torchvision.__version__} has no such classifier; near: "
            f"{near or 'none'}"
        )
    members = get_model_weights(name)
    try:
        chosen: WeightsEnum = members[tag or "DEFAULT"]
    except KeyError:
        tags = ", ".join(member.name for member in members)
        raise UsageError(f"--model torchvision:{name}:{tag}: there are no such weights; take {tags}") from None
    return chosen


def describe(transform: ImageClassification) -> Preprocessing:
    """What torchvision's preset for classification does, as steps.

    Raises:
        ContractError: It is none that a contract can say; the message names it.
    """
    (resize,), (crop,) = transform.resize_size, transform.crop_size
    steps: list[Step] = [
        Resize(resize, resize, "cover", transform.interpolation.value),
        Crop(crop, crop),
        Scale(),
        Normalise(tuple(transform.mean), tuple(transform.std)),
    ]
    return Preprocessing.of_steps(steps)


def _transform(own: ImageClassification) -> Transform:
    def run(picture: Image.Image) -> NDArray[np.float32]:
        tensor: NDArray[np.float32] = own(picture.convert("RGB")).numpy()
        return tensor

    return Transform(f"torchvision {torchvision.__version__}", run)
