"""Image -> network input, as torchvision does it on PIL images, without torchvision.

The pipeline is `Resize(resize) -> CenterCrop(crop) -> ToTensor() -> Normalize(mean, std)`, bit for bit; what remains of
it here is Pillow's own resampling, one crop, and a table look-up that writes straight into the batch buffer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.errors import ContractError, ImageError
from tritonrepo.client.images import Pixels, to_rgb
from tritonrepo.client.resample import FILTERS, Filter, resample_region

Tensor: TypeAlias = NDArray[np.floating[Any]]
Triple: TypeAlias = tuple[float, float, float]

MAX_SIDE = 4096
# A picture that would grow beyond this is resampled in its crop alone: 30000x1 would become 7.68 Mx256. One that
# shrinks is never larger than it is already.
MAX_GROWN_PIXELS = 1 << 22
_DTYPES: dict[str, type[np.floating[Any]]] = {"FP32": np.float32, "FP16": np.float16}
_LAYOUTS = ("NCHW", "NHWC")
_WORDS: Mapping[str, tuple[str, ...]] = {
    "interpolation": tuple(FILTERS),
    "layout": _LAYOUTS,
    "dtype": tuple(_DTYPES),
}


@dataclass(frozen=True)
class Preprocessing:
    """How a model wants its images, as stored in its config's `preprocessing` parameter.

    Whole numbers and triples may come in any form (a list, numpy's numbers); they are kept as int and as tuples of
    float.

    Attributes:
        resize: Short side in pixels before the crop.
        crop: Side of the square centre crop in pixels (zero padded where the resized picture is smaller, as
            torchvision does).
        interpolation: bilinear or bicubic.
        mean: Per RGB channel, for values scaled to 0..1.
        std: In the same way.
        layout: NCHW or NHWC.
        dtype: FP32 or FP16, the datatype of the tensor.

    Raises:
        ContractError: A value makes no sense; the message names all that do not.
    """

    resize: int = 256
    crop: int = 224
    interpolation: str = "bilinear"
    mean: Triple = (0.485, 0.456, 0.406)
    std: Triple = (0.229, 0.224, 0.225)
    layout: str = "NCHW"
    dtype: str = "FP32"

    def __post_init__(self) -> None:
        problems = [
            *self._keep(("resize", "crop"), _side, f"not a whole number from 1 to {MAX_SIDE}"),
            *(
                f"{name} is {getattr(self, name)!r}, not one of {', '.join(known)}"
                for name, known in _WORDS.items()
                if getattr(self, name) not in known
            ),
            *self._keep(("mean", "std"), _triple, "not three finite numbers"),
        ]
        if not problems and min(self.std) <= 0:
            problems.append(f"std is {self.std!r}: it divides, so each value must be positive")
        if problems:
            raise ContractError("preprocessing: " + "; ".join(problems))

    def _keep(self, names: Sequence[str], read: Callable[[Any], object], wanted: str) -> list[str]:
        """Keep the values as `read` gives them; a sentence for each that it cannot read."""
        problems = []
        for name in names:
            given = getattr(self, name)
            value = read(given)
            if value is None:
                problems.append(f"{name} is {given!r}, {wanted}")
            else:
                object.__setattr__(self, name, value)
        return problems

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image's tensor: [3, crop, crop] or, in NHWC, [crop, crop, 3]."""
        return (3, self.crop, self.crop) if self.layout == "NCHW" else (self.crop, self.crop, 3)

    @property
    def numpy_dtype(self) -> type[np.floating[Any]]:
        """The tensor's type in numpy."""
        return _DTYPES[self.dtype]

    def to_json(self) -> str:
        """Compact JSON, keys in field order."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Preprocessing:
        """Read what `to_json` wrote; a missing key takes its default.

        Raises:
            ContractError: The text is anything else.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as exc:
            raise ContractError(f"preprocessing is not JSON: {exc}") from exc
        if not isinstance(values, dict):
            raise ContractError(f"preprocessing is a JSON {type(values).__name__}, not an object")
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise ContractError(f"preprocessing has unknown keys: {', '.join(unknown)}")
        return cls(**values)


def _side(value: Any) -> int | None:
    """A whole number from 1 to MAX_SIDE, of whatever type; None for anything else."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return int(value) if whole and 1 <= int(value) <= MAX_SIDE else None


def _triple(value: Any) -> Triple | None:
    """Three finite numbers, of whatever type and in whatever sequence; None for anything else."""
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, (str, bytes)) or len(value) != 3:
        return None
    if any(isinstance(item, (bool, str)) for item in value):
        return None
    try:
        first, second, third = (float(item) for item in value)
    except (TypeError, ValueError, OverflowError):
        return None
    return (first, second, third) if all(map(math.isfinite, (first, second, third))) else None


def preprocess(image: Image.Image, spec: Preprocessing, out: Tensor | None = None) -> Tensor:
    """One image as the model wants it; the values are those of torchvision's pipeline on the same RGB image.

    Args:
        image: A picture in any mode.
        spec: What the model wants.
        out: Receives the values (a slice of a batch buffer, say) and is returned; of `spec.shape`.

    Returns:
        [3, crop, crop] (NHWC: [crop, crop, 3]), FP32 or FP16, normalised.

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
    pixels = _resized_crop(to_rgb(image), spec)
    planes = out if spec.layout == "NCHW" else out.transpose(2, 0, 1)
    for channel, table in enumerate(_normalisation_table(spec.mean, spec.std)):
        planes[channel] = table[pixels[:, :, channel]]
    return out


@lru_cache(maxsize=16)
def _normalisation_table(mean: Triple, std: Triple) -> NDArray[np.float32]:
    """[3, 256] FP32: the normalised value of each 8-bit value, in ToTensor's and Normalize's order of operations."""
    unit = np.arange(256, dtype=np.float32) / np.float32(255)
    table: NDArray[np.float32] = (unit - np.array([mean], np.float32).T) / np.array([std], np.float32).T
    return table


def _resized_crop(image: Image.Image, spec: Preprocessing) -> Pixels:
    """[crop, crop, 3] uint8."""
    width, height = _resized(image.size, spec.resize)
    left, top = _crop_start(width, spec.crop), _crop_start(height, spec.crop)
    box = (left, top, left + spec.crop, top + spec.crop)
    chosen = FILTERS[spec.interpolation]
    if spec.resize > min(image.size) and width * height > MAX_GROWN_PIXELS:
        return _grown_crop(image, (width, height), box, chosen)
    return np.asarray(image.resize((width, height), chosen.resample).crop(box))


def _grown_crop(image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int], chosen: Filter) -> Pixels:
    """The crop of a picture that would be too large as a whole; black where the box reaches beyond it."""
    left, top, right, bottom = box
    inner = (max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1]))
    pixels = np.zeros((bottom - top, right - left, 3), np.uint8)
    pixels[inner[1] - top : inner[3] - top, inner[0] - left : inner[2] - left] = resample_region(
        image, size, inner, chosen
    )
    return pixels


def _resized(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return short_side, int(short_side * height / width)
    return int(short_side * width / height), short_side


def _crop_start(side: int, crop: int) -> int:
    """First pixel of the centre crop; negative where torchvision pads, the smaller half of the padding first."""
    return round((side - crop) / 2) if side >= crop else -((crop - side) // 2)
