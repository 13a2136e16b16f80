"""Image classifiers of transformers, from a directory or by their id. The only importer of transformers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForImageClassification
from transformers.image_processing_backends import PilBackend
from transformers.utils import logging

from tritonrepo.client import label_files
from tritonrepo.client.errors import ContractError, UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step
from tritonrepo.export import checkpoint_file, weights
from tritonrepo.export.blame import gist
from tritonrepo.export.errors import WeightsError
from tritonrepo.export.options import Notice, Options
from tritonrepo.export.sources.loaded import Loaded, Origins, Transform
from tritonrepo.export.sources.parameters import OTHERS, Network, described, fill, refuse_missing_directory
from tritonrepo.repository.spec import ModelSpec

CONVNEXT, LEVIT, POOLFORMER = "ConvNextImageProcessorPil", "LevitImageProcessorPil", "PoolFormerImageProcessorPil"
OF_TIMM = "TimmWrapperImageProcessor"
ATTENTION = "eager"
"""The attention that is written out: the ONNX exporter cannot follow Swin's fused one with an open batch."""
WARPED_FROM = 384
"""From this side on ConvNeXt's processor keeps no aspect."""
_METHODS = ("_preprocess", "resize", "center_crop", "rescale", "normalize", "pad", "process_image")
_RULES = {
    CONVNEXT: {"_preprocess", "resize"},
    LEVIT: {"resize"},
    POOLFORMER: {"_preprocess", "resize"},
    "EfficientNetImageProcessorPil": {"_preprocess", "rescale"},
    "MobileViTImageProcessorPil": {"_preprocess"},
    # Theirs also takes maps of segments; a picture gets the usual steps.
    "BeitImageProcessorPil": {"_preprocess"},
    "MobileNetV2ImageProcessorPil": {"_preprocess"},
    "SegformerImageProcessorPil": {"_preprocess"},
}
"""The processors that do some of it in their own way, and what `describe` knows of that."""


NEEDED = {
    "do_resize": ("size", "resample"),
    "do_center_crop": ("crop_size",),
    "do_rescale": ("rescale_factor",),
    "do_normalize": ("image_mean", "image_std"),
}
"""What a processor has to say where it does something."""


class Scores(nn.Module):
    """A classifier of transformers that answers with its logits alone, or, for several labels, with their sigmoids."""

    def __init__(self, model: nn.Module, independent: bool) -> None:
        super().__init__()
        self.model = model
        self.independent = independent

    def forward(self, images: Tensor) -> Tensor:
        """`[N, channels, height, width]` -> `[N, classes]`."""
        logits: Tensor = self.model(pixel_values=images).logits
        return logits.sigmoid() if self.independent else logits


def load(name: str, options: Options, notice: Notice) -> Loaded:
    """The classifier of a directory, with its image processor.

    Args:
        name: The directory, or an id that transformers finds in its cache or downloads.
        options: `--weights`, `--ema`, `--classes`.
        notice: Takes a sentence.

    Raises:
        UsageError: There is no image processor, or it does what no contract can say.
        TritonRepoError: As `fill` raises it.
    """
    refuse_missing_directory(f"hf:{name}")
    network = Network(
        f"hf:{name}",
        f"transformers {Path(name).name}",
        lambda: _pretrained(name, notice),
        lambda classes: _bare(name, classes),
        "are config.json and the weights in it whole? Else " + OTHERS if Path(name).is_dir() else OTHERS,
    )
    filled = fill(network, options, notice)
    config: Any = filled.module.config
    own, default = _processors(name)
    channels = getattr(config, "num_channels", 3)
    preprocessing = described(f"hf:{name}", type(own).__name__, lambda: describe(own, channels))
    labels = () if filled.other_head else described(f"hf:{name}", "config.json", lambda: _labels(config.id2label))
    if config.problem_type == "regression":
        raise UsageError(f"--model hf:{name}: problem_type in config.json is regression; its outputs are no classes")
    independent = config.problem_type == "multi_label_classification"
    spec = ModelSpec(
        Path(name).name,
        labels,
        preprocessing=preprocessing,
        trained=filled.weights.trained,
        scores="independent" if independent else None,
    )
    origins = Origins(
        f"{type(own).__name__} of {name}",
        f"id2label of {name}/config.json",
        filled.classes,
        f"problem_type of {name}/config.json",
    )
    transform = _transform(own, default, "L" if channels == 1 else "RGB")
    return Loaded(Scores(filled.module, independent).eval(), spec, filled.weights, origins, transform)


def _pretrained(name: str, notice: Notice) -> nn.Module:
    if (stored := transformers.AutoConfig.from_pretrained(name).dtype) is not None:
        weights.say_precision([stored], notice)
    model: nn.Module
    with _quiet():
        model, found = AutoModelForImageClassification.from_pretrained(
            name,
            dtype=torch.float32,
            attn_implementation=ATTENTION,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # the sentence below says more
        )
    if apart := [f"{key} is {list(its)}, expected {list(wanted)}" for key, its, wanted in found["mismatched_keys"]]:
        raise WeightsError(
            f"--model hf:{name}: its weights do not fit its config.json: {checkpoint_file.some(apart)}; does it say "
            "as many classes (id2label, num_labels) and channels as the weights have?"
        )
    if missing := sorted(map(str, found["missing_keys"])):
        raise WeightsError(
            f"--model hf:{name}: its weights lack {checkpoint_file.some(missing)}, which transformers would make up; "
            "is it the network before it was trained to classify?"
        )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Let transformers draw no bars and print no tables: they would stand between the export's own lines."""
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _bare(name: str, classes: int | None) -> nn.Module:
    config = transformers.AutoConfig.from_pretrained(name)
    if classes is not None:
        config.num_labels = classes
    config.dtype = torch.float32
    model: nn.Module = AutoModelForImageClassification.from_config(config, attn_implementation=ATTENTION)
    return model


def _processors(name: str) -> tuple[Any, Any]:
    """The one on pictures, and the one that transformers takes by default."""
    try:
        with _quiet():
            own = AutoImageProcessor.from_pretrained(name, backend="pil")
            default = AutoImageProcessor.from_pretrained(name)
    except Exception as exc:  # its file may hold anything
        raise UsageError(f"--model hf:{name}: its image processor cannot be had: {gist(exc)}") from exc
    return own, default


def _labels(names: Mapping[int, str]) -> tuple[str, ...]:
    """In the order of the logits; none where nobody gave them names. Raises `UsageError` where a number is missing."""
    labels = label_files.in_order(((number, str(name)) for number, name in names.items()), "id2label")
    return () if labels == tuple(f"LABEL_{index}" for index in range(len(names))) else labels


def describe(own: Any, channels: int) -> Preprocessing:
    """What an image processor on PIL images does, as steps.

    Args:
        own: The processor.
        channels: That the network takes.

    Raises:
        ContractError: It is none that a contract can say; the message names what.
    """
    kind = type(own)
    if kind.__name__ == OF_TIMM:
        raise ContractError("the network is one of timm: take it by --model timm:DIR or --model timm:NAME")
    if not isinstance(own, PilBackend):
        raise ContractError("it resizes tensors, and a contract resizes pictures")
    changed = {name for name in _METHODS if getattr(kind, name) is not getattr(PilBackend, name)}
    if not changed <= _RULES.get(kind.__name__, set()):
        raise ContractError(f"it has a {', '.join(sorted(changed))} of its own, and no rule here knows what it does")
    for switch, names in NEEDED.items():
        if getattr(own, switch) and (absent := [name for name in names if getattr(own, name) is None]):
            raise ContractError(f"{switch} is on, and says nothing of {', '.join(absent)}")
    if own.do_pad:
        raise ContractError("do_pad: it pads at the right and at the bottom, and no step of a contract does that")
    steps: list[Step] = [*_resize(own)] if own.do_resize else []
    if own.do_center_crop:
        steps.append(Crop(own.crop_size.height, own.crop_size.width, "down"))
    if own.do_rescale:
        steps.append(Scale(1 / own.rescale_factor, -1.0 if getattr(own, "rescale_offset", False) else 0.0))
    if own.do_normalize:
        steps.append(Normalise(_each(own.image_mean, channels), _each(own.image_std, channels)))
    if getattr(own, "include_top", False):
        steps.append(Normalise((0.0,) * channels, _each(own.image_std, channels)))
    flipped = getattr(own, "do_flip_channel_order", False)
    return Preprocessing.of_steps(steps, channels="L" if channels == 1 else "BGR" if flipped else "RGB")


def _resize(own: Any) -> Iterator[Step]:
    size, interpolation = own.size, Image.Resampling(int(own.resample)).name.lower()
    if size.shortest_edge and size.longest_edge:
        raise ContractError("size: a shortest_edge with a longest_edge leaves the size of the tensor open")
    if size.shortest_edge and type(own).__name__ == CONVNEXT:
        yield from _resize_of_convnext(size.shortest_edge, own.crop_pct, interpolation)
    elif short := _short_side(own):
        yield Resize(short, short, "cover", interpolation)
    elif size.height and size.width:
        yield Resize(size.height, size.width, "exact", interpolation)
    else:
        raise ContractError(f"size: {dict(size)} is neither a shortest_edge nor a height and a width")


def _resize_of_convnext(short: int, crop_pct: float, interpolation: str) -> Iterator[Step]:
    if short < WARPED_FROM:
        larger = int(short / crop_pct)
        yield Resize(larger, larger, "cover", interpolation)
        yield Crop(short, short, "down")
    else:
        yield Resize(short, short, "exact", interpolation)


def _short_side(own: Any) -> int:
    """To which the short side of a picture is brought; 0 where the processor goes by both sides."""
    size, kind = own.size, type(own).__name__
    short: int = size.shortest_edge or 0
    if kind == LEVIT:
        return int((256 / 224) * short)
    if kind == POOLFORMER and own.crop_pct is not None:
        return int((short or (size.height if size.height == size.width else 0)) / own.crop_pct)
    return short


def _each(value: Any, channels: int) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (float(value),) * channels


def _transform(own: Any, default: Any, mode: str) -> Transform:
    """That of the processor on pictures, and beside it that of the default one, if it resizes tensors."""
    on_tensors = None if isinstance(default, PilBackend) else _runner(default, mode)
    return Transform(f"transformers {transformers.__version__}", _runner(own, mode), on_tensors)


def _runner(processor: Any, mode: str) -> Callable[[Image.Image], NDArray[np.float32]]:
    def run(picture: Image.Image) -> NDArray[np.float32]:
        found = processor(picture.convert("RGB").convert(mode), return_tensors="np")["pixel_values"][0]
        return np.asarray(found, np.float32)

    return run
