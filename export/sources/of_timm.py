"""timm's networks, by name or from a directory of config.json and weights. The only importer of timm."""

import json
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
from torch import nn

from tritonrepo.client import label_files
from tritonrepo.client.errors import ContractError, UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step
from tritonrepo.export import checkpoint_file, weights
from tritonrepo.export.options import Notice, Options
from tritonrepo.export.sources.loaded import Loaded, Origins, Transform
from tritonrepo.export.sources.parameters import OTHERS, Network, described, fill, refuse_missing_directory
from tritonrepo.repository.spec import ModelSpec

FILES = ("model.safetensors", "pytorch_model.bin")
"""The weights beside a configuration, in the order in which timm looks for them."""
WHOLE = f"is config.json whole, and is {' or '.join(FILES)} beside it? Else {OTHERS}"
SAID = ("input_size", "interpolation", "crop_pct", "mean", "std")
"""What a configuration has to say of the preprocessing; timm fills in the rest without a word."""


def load(name: str, options: Options, notice: Notice) -> Loaded:
    """The network `NAME[.TAG]`, or that of a directory.

    Args:
        name: As timm has it, or the directory's path.
        options: `--weights`, `--ema`, `--classes`.
        notice: Takes a sentence.

    Raises:
        UsageError: timm has no such network, or its preprocessing is none that a contract can say.
        TritonRepoError: As `fill` raises it.
    """
    refuse_missing_directory(f"timm:{name}")
    directory = Path(name)
    wanted = f"local-dir:{directory}" if directory.is_dir() else name
    if not directory.is_dir() and not timm.is_model(name.partition(".")[0]):
        near = ", ".join(get_close_matches(name.partition(".")[0], timm.list_models()))
        raise UsageError(f"--model timm:{name}: timm {timm.__version__} has no such network; near: {near or 'none'}")
    network = Network(
        f"timm:{name}",
        f"timm {Path(name).name}",
        lambda: _pretrained(wanted, name),
        lambda classes: timm.create_model(wanted, pretrained=False, num_classes=classes),
        WHOLE if directory.is_dir() else OTHERS,
    )
    if options.weights is None and directory.is_dir():
        _tell_precision(directory, notice)
    filled = fill(network, options, notice)
    home = f"{name}/config.json" if directory.is_dir() else f"timm's configuration of {name}"
    known: Any = filled.module.pretrained_cfg

    def read() -> tuple[ModelSpec, Transform]:
        config = resolve_model_data_config(filled.module)
        labels = () if filled.other_head else _labels(known)
        architecture = str(known.get("architecture") or name.partition(".")[0])
        spec = ModelSpec(architecture, labels, preprocessing=describe(config), trained=filled.weights.trained)
        return spec, _transform(config)

    spec, transform = described(f"timm:{name}", home, read)
    origins = Origins(home + _filled_in(directory), f"label_names of {home}", filled.classes)
    return Loaded(filled.module, spec, filled.weights, origins, transform)


def _filled_in(directory: Path) -> str:
    """A clause about what a directory's configuration does not say, so that timm's defaults are taken."""
    if not directory.is_dir():
        return ""
    config = json.loads((directory / "config.json").read_text("utf-8"))
    said = config.get("pretrained_cfg", config)  # timm once wrote all on one level
    absent = [key for key in SAID if not said.get(key)]
    return f", which lacks {', '.join(absent)}, so that timm's defaults are taken" if absent else ""


def _pretrained(wanted: str, name: str) -> nn.Module:
    module: Any = timm.create_model(wanted, pretrained=True)
    if module.num_classes != (held := module.pretrained_cfg.get("num_classes", module.num_classes)):
        raise UsageError(
            f"--model timm:{name}: its configuration says {held} classes for its weights and {module.num_classes} for "
            "the network, whose head timm would make up"
        )
    network: nn.Module = module
    return network


def _tell_precision(directory: Path, notice: Notice) -> None:
    """Timm puts the weights beside a configuration into FP32 without a word."""
    path = next((path for path in (directory / file for file in FILES) if path.is_file()), None)
    if path is not None:
        found = checkpoint_file.read(path, path.stat().st_size, False, notice)
        weights.tell_precision(found.values.values(), notice)


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
    """The names of a fine-tuned head, where its configuration has them; descriptions before synset ids.

    Raises:
        UsageError: They are numbered, and a number is missing.
    """
    names = config.get("label_names") or ()
    if isinstance(names, Mapping):
        names = label_files.in_order(names.items(), "label_names")
    described = config.get("label_descriptions") or {}
    return tuple(str(described.get(name, name)) for name in names)


def _transform(config: Mapping[str, Any]) -> Transform:
    own = create_transform(**config, is_training=False)
    mode = "RGB" if config["input_size"][0] == 3 else "L"

    def run(picture: Image.Image) -> NDArray[np.float32]:
        tensor: NDArray[np.float32] = own(picture.convert("RGB").convert(mode)).numpy()
        return tensor

    return Transform(f"timm {timm.__version__}", run)
