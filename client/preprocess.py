"""Image -> network input, as torchvision, timm and transformers do it on PIL images, without any of them.

The usual pipeline is `Resize(resize) -> CenterCrop(crop) -> ToTensor() -> Normalize(mean, std)`, bit for bit. What
remains of any pipeline here is Pillow's own resampling, crops, and a table look-up that writes straight into the batch
buffer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.errors import ContractError, ImageError
from tritonrepo.client.images import to_rgb
from tritonrepo.client.place import place
from tritonrepo.client.step_order import MOST_STEPS, misplaced, unfit
from tritonrepo.client.steps import (
    A_SIDE,
    Crop,
    Normalise,
    Resize,
    Scale,
    Step,
    from_values,
    side,
    to_values,
    unknown_words,
)

Tensor: TypeAlias = NDArray[Any]
Triple: TypeAlias = tuple[float, float, float]

SCHEMA = 2
"""Contracts without a number are of schema 1: the usual pipeline, and no word for any other."""
CHANNELS = {"RGB": 3, "BGR": 3, "L": 1}
"""What the tensor's channels are; L is luminance alone."""
LAYOUTS = ("NCHW", "NHWC")
_DTYPES: dict[str, type[np.generic]] = {
    "FP32": np.float32,
    "FP16": np.float16,
    "UINT8": np.uint8,
}
_FIRST_SCHEMA = ("resize", "crop", "interpolation", "mean", "std", "layout", "dtype")
_FIRST_INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True, init=False)
class Preprocessing:
    """How a model wants its images, as stored in its config's `preprocessing` parameter.

    `Preprocessing(resize=256, crop=224)` is the usual pipeline; `of_steps` takes any other. Whole numbers and triples
    may come in any form (a list, numpy's numbers); they are kept as int and as tuples of float.

    Attributes:
        steps: In their order: those that place the picture (Resize, Crop), then those that change its values (Scale,
            Normalise).
        channels: One of CHANNELS. A picture is placed as RGB or L; BGR is the order in the tensor.
        layout: NCHW or NHWC.
        dtype: FP32 or FP16, the datatype of the tensor; UINT8 where no step changes values.

    Raises:
        ContractError: A value makes no sense; the message names all that do not.
    """

    steps: tuple[Step, ...]
    channels: str
    layout: str
    dtype: str

    def __init__(
        self,
        resize: int = 256,
        crop: int = 224,
        interpolation: str = "bilinear",
        mean: Triple = (0.485, 0.456, 0.406),
        std: Triple = (0.229, 0.224, 0.225),
        layout: str = "NCHW",
        dtype: str = "FP32",
    ) -> None:
        """The usual pipeline.

        Args:
            resize: Short side in pixels before the crop.
            crop: Side of the square centre crop in pixels, zero padded where the resized picture is smaller.
            interpolation: Of the resize.
            mean: Per RGB channel, for values scaled to 0..1.
            std: In the same way.
            layout: As the attribute.
            dtype: As the attribute.
        """
        sides = {"resize": resize, "crop": crop}
        problems = [f"{name} is {value!r}, {A_SIDE}" for name, value in sides.items() if side(value) is None]
        # One side stands for a wrong one, so that what is wrong with the rest is said too.
        resize, crop = (side(value) or 1 for value in sides.values())
        steps: list[Step] = [Crop(crop, crop), Scale()]
        try:
            steps.insert(0, Resize(resize, resize, "cover", interpolation))
        except ContractError as exc:
            problems.append(str(exc))
        try:
            steps.append(Normalise(mean, std))
        except ContractError as exc:
            problems.append(str(exc))
        self._keep(steps, "RGB", layout, dtype, problems)

    @classmethod
    def of_steps(
        cls, steps: Sequence[Step], *, channels: str = "RGB", layout: str = "NCHW", dtype: str = "FP32"
    ) -> Preprocessing:
        """Any pipeline of steps; the arguments are the attributes.

        Raises:
            ContractError: The steps make no pipeline; the message names the one that does not fit.
        """
        made = object.__new__(cls)
        made._keep(steps, channels, layout, dtype, list(misplaced(steps)))
        return made

    def _keep(self, steps: Sequence[Step], channels: str, layout: str, dtype: str, problems: Sequence[str]) -> None:
        for name, value in (("steps", tuple(steps)), ("channels", channels), ("layout", layout), ("dtype", dtype)):
            object.__setattr__(self, name, value)
        words = {"channels": tuple(CHANNELS), "layout": LAYOUTS, "dtype": tuple(_DTYPES)}
        found = [*problems, *unknown_words(self, words)]
        found = found or list(unfit(self.steps, CHANNELS[channels], dtype))
        if found:
            raise ContractError("preprocessing: " + "; ".join(found))

    @property
    def placing(self) -> tuple[Resize | Crop, ...]:
        """The steps that say where the picture's pixels go."""
        return tuple(step for step in self.steps if isinstance(step, (Resize, Crop)))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the tensor."""
        last = self.placing[-1]
        return last.height, last.width

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image's tensor: [channels, height, width] or, in NHWC, [height, width, channels]."""
        (height, width), channels = self.size, CHANNELS[self.channels]
        return (channels, height, width) if self.layout == "NCHW" else (height, width, channels)

    @property
    def numpy_dtype(self) -> type[np.generic]:
        """The tensor's type in numpy."""
        return _DTYPES[self.dtype]

    @property
    def first_size(self) -> tuple[int, int]:
        """Height and width of a picture that the first step leaves as it is."""
        first = self.placing[0]
        return first.height, first.width

    @property
    def least_side(self) -> int | None:
        """The short side to which the first resize brings a picture at most; None where the first step crops it."""
        return max(self.first_size) if isinstance(self.placing[0], Resize) else None

    def __str__(self) -> str:
        return ", ".join([*map(str, self.steps), f"{self.channels} {self.layout} {self.dtype}"])

    def to_json(self) -> str:
        """Compact JSON: of schema 1 where that can say it, which every release of the client reads; else of SCHEMA."""
        return json.dumps(self._in_first_schema() or self._in_schema(), separators=(",", ":"))

    def _in_schema(self) -> dict[str, Any]:
        steps = [to_values(step) for step in self.steps]
        ends = {"layout": self.layout, "dtype": self.dtype}
        return {"schema": SCHEMA, "channels": self.channels, "steps": steps, **ends}

    def _in_first_schema(self) -> dict[str, Any] | None:
        if [type(step) for step in self.steps] != [Resize, Crop, Scale, Normalise]:
            return None
        resize, crop, _, normalise = self.steps
        assert isinstance(resize, Resize)
        assert isinstance(normalise, Normalise)
        if resize.interpolation not in _FIRST_INTERPOLATIONS or self.dtype not in ("FP32", "FP16"):
            return None
        numbers = normalise.mean, normalise.std
        values = (resize.height, crop.height, resize.interpolation, *numbers, self.layout, self.dtype)  # type: ignore[union-attr]
        written: dict[str, Any] = dict(zip(_FIRST_SCHEMA, values, strict=True))
        usual = self.channels == "RGB" and Preprocessing(**written) == self
        return written if usual else None

    @classmethod
    def from_json(cls, text: str) -> Preprocessing:
        """Read what `to_json` wrote, in this release or an earlier one.

        In schema 1 a missing key takes its default.

        Raises:
            ContractError: The text is anything else; a step that cannot be read is named.
        """
        try:
            values = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as exc:
            raise ContractError(f"preprocessing is not JSON: {exc}") from exc
        if not isinstance(values, dict):
            raise ContractError(f"preprocessing is a JSON {type(values).__name__}, not an object")
        schema = values.pop("schema", 1)
        if schema not in (1, SCHEMA) or isinstance(schema, bool):
            raise ContractError(
                f"preprocessing is of schema {schema!r}, and this client reads 1 and {SCHEMA}; install a later release"
            )
        known = _FIRST_SCHEMA if schema == 1 else ("channels", "steps", "layout", "dtype")
        if unknown := sorted(values.keys() - set(known)):
            raise ContractError(f"preprocessing has unknown keys: {', '.join(unknown)}")
        return cls(**values) if schema == 1 else cls._of_values(values)

    @classmethod
    def _of_values(cls, values: dict[str, Any]) -> Preprocessing:
        listed = values.pop("steps", None)
        if not isinstance(listed, list):
            raise ContractError(f"preprocessing: steps is {listed!r}, not a list")
        try:
            steps = [from_values(number, one) for number, one in enumerate(listed[: MOST_STEPS + 1], start=1)]
        except ContractError as exc:
            raise ContractError(f"preprocessing: {exc}") from exc
        return cls.of_steps(steps, **values)


def preprocess(image: Image.Image, spec: Preprocessing, out: Tensor | None = None) -> Tensor:
    """One image as the model wants it; the values are those of the pipeline's own library on the same RGB image.

    Args:
        image: A picture in any mode.
        spec: What the model wants.
        out: Receives the values (a slice of a batch buffer, say) and is returned; of `spec.shape`.

    Returns:
        Of `spec.shape` and `spec.dtype`.

    Raises:
        ImageError: The image has no pixels.
        ValueError: `out` has another shape.
    """
    if 0 in image.size:
        raise ImageError(f"has no pixels ({image.width}x{image.height})")
    if out is None:
        out = np.empty(spec.shape, spec.numpy_dtype)
    elif out.shape != spec.shape:
        raise ValueError(f"out has shape {list(out.shape)}, the preprocessing gives {list(spec.shape)}")
    image = to_rgb(image)
    pixels = place(image.convert("L") if spec.channels == "L" else image, spec.placing)
    pixels = pixels.reshape(*spec.size, -1)
    if spec.channels == "BGR":
        pixels = pixels[:, :, ::-1]
    planes = out if spec.layout == "NCHW" else out.transpose(2, 0, 1)
    for channel, table in enumerate(_table(spec.steps, len(planes))):
        planes[channel] = table[pixels[:, :, channel]]
    return out


@lru_cache(maxsize=16)
def _table(steps: tuple[Step, ...], channels: int) -> NDArray[np.float32]:
    """[channels, 256] FP32: what becomes of each 8-bit value, in ToTensor's and Normalize's order of operations."""
    values = np.tile(np.arange(256, dtype=np.float32), (channels, 1))
    with np.errstate(over="ignore", invalid="ignore"):  # what a nonsensical contract makes of them is its own affair
        for step in steps:
            if isinstance(step, Scale):
                values = values / np.float32(step.divisor)
                if step.offset:
                    values = values + np.float32(step.offset)
            elif isinstance(step, Normalise):
                values = (values - np.array([step.mean], np.float32).T) / np.array([step.std], np.float32).T
    return values
