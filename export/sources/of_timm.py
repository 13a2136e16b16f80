"""timm's networks, by name or from a directory of config.json and weights. The only importer of timm."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import timm
from numpy.typing import NDArray
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from tritonrepo.client.errors import ContractError, UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step
from tritonrepo.export.sources.loaded import Loaded, Notice, Transform
from tritonrepo.export.sources.parameters import Network, fill
from tritonrepo.repository.spec import ModelSpec


def load(name: str, source: str | None, notice: Notice) -> Loaded:
    """The network `NAME[.TAG]`, or that of a directory.

    Args:
        name: As timm has it, or the directory's path.
        source: As in `--weights`.
        notice: Takes a sentence.

    Raises:
        UsageError: timm has no such network, or its preprocessing is none that a contract can say.
        TritonRepoError: As `fill` raises it.
    """
    directory = Path(name)
    wanted = f"local-dir:{directory}" if directory.is_dir() else name
    if not directory.is_dir() and not timm.is_model(name.partition(".")[0]):
        near = ", ".join(get_close_matches(name.partition(".")[0], timm.list_models()))
        raise UsageError(f"--model timm:{name}: timm {timm.__version__} has no such network; near: {near or 'none'}")
    network = Network(
        f"timm:{name}",
        f"timm {Path(name).name}",
        lambda: timm.create_model(wanted, pretrained=True),
        lambda: timm.create_model(wanted, pretrained=False),
    )
    module, weights = fill(network, source)
    config = resolve_model_data_config(module)
    try:
        preprocessing = describe(config)
    except ContractError as exc:
        raise UsageError(f"--model timm:{name}: {exc}") from exc
    known: Any = module.pretrained_cfg
    architecture = str(known.get("architecture") or name.partition(".")[0])
    spec = ModelSpec(architecture, _labels(known), preprocessing=preprocessing, trained=weights.trained)
    return Loaded(module, spec, weights, _transform(config))


def describe(config: Mapping[str, Any]) -> Preprocessing:
    """What `resolve_model_data_config` gives, as steps.

    Raises:
        ContractError: It is none that a contract can say; the message names it.
    """
    channels, height, width = config["input_size"]
    tall, wide = (math.floor(side / config["crop_pct"]) for side in (height, width))
    interpolation, mode = config["interpolation"], config["crop_mode"]
    mean, std = tuple(config["mean"]), tuple(config["std"])
    crop = Crop(height, width)
    if mode == "squash":
        resize = Resize(tall, wide, "exact", interpolation)
    elif mode == "border":
        resize = Resize(tall, wide, "contain", interpolation, "nearest")
        crop = Crop(height, width, fill=tuple(round(255 * value) for value in mean))
    elif mode == "center":
        # timm takes torchvision's rule for a square, and its own for the rest.
        resize = Resize(tall, wide, "cover", interpolation, "down" if tall == wide else "nearest")
    else:
        raise ContractError(f"crop_mode: {mode!r} is not one of center, squash, border")
    if config.get("crop_border_pixels"):
        raise ContractError("crop_border_pixels: a border is cut off the picture, and no step of a contract does that")
    if channels not in (1, 3):
        raise ContractError(f"input_size: {channels} channels, and a picture has 3 or 1")
    steps: list[Step] = [resize, crop, Scale(), Normalise(mean, std)]
    return Preprocessing.of_steps(steps, channels="RGB" if channels == 3 else "L")


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a fine-tuned head, where its configuration has them; descriptions before synset ids."""
    names = config.get("label_names") or ()
    described = config.get("label_descriptions") or {}
    return tuple(str(described.get(name, name)) for name in names)


def _transform(config: Mapping[str, Any]) -> Transform:
    own = create_transform(**config, is_training=False)
    mode = "RGB" if config["input_size"][0] == 3 else "L"

    def run(picture: Image.Image) -> NDArray[np.float32]:
        tensor: NDArray[np.float32] = own(picture.convert("RGB").convert(mode)).numpy()
        return tensor

    return Transform(f"timm {timm.__version__}", run)
