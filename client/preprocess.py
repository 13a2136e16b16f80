"""Image -> network input, as torchvision does it on PIL images, without torchvision.

The pipeline is `Resize(resize) -> CenterCrop(crop) -> ToTensor() -> Normalize(mean, std)`, bit for bit; what remains of
it here is Pillow's own resampling, one crop, and a table look-up that writes straight into the batch buffer.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tritonrepo.client.errors import ContractError, ImageError

Pixels: TypeAlias = NDArray[np.uint8]
Tensor: TypeAlias = NDArray[np.floating[Any]]

# Pillow's own warning limit: 358 MB once decoded. Every decoding thread may hold one such picture.
MAX_PIXELS = 89_478_485
# A picture longer than this times its short side is resampled in its crop alone: 30000x1 would become 7.68 Mx256.
MAX_WHOLE_ASPECT = 16
MAX_SIDE = 4096
# Raster formats which Pillow decodes by itself; EPS, for one, would start Ghostscript on a stranger's file.
FORMATS = (
    "JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP",
    "DIB", "PPM", "JPEG2000", "TGA", "ICO", "PCX", "SGI", "QOI",
)  # fmt: skip

# Pillow loads its rarer plugins on the first unknown file only, and fails on a format that it has not loaded.
Image.init()
_OPENABLE = tuple(name for name in FORMATS if name in Image.OPEN)

_DTYPES: dict[str, type[np.floating[Any]]] = {"FP32": np.float32, "FP16": np.float16}
_LAYOUTS = ("NCHW", "NHWC")


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution with a = -0.5, Pillow's BICUBIC."""
    a, x = -0.5, np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


@dataclass(frozen=True)
class _Filter:
    resample: Image.Resampling
    kernel: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    support: float


_FILTERS = {
    "bilinear": _Filter(Image.Resampling.BILINEAR, _triangle, 1.0),
    "bicubic": _Filter(Image.Resampling.BICUBIC, _cubic, 2.0),
}


@dataclass(frozen=True)
class Preprocessing:
    """How a model wants its images, as stored in its config's `preprocessing` parameter.

    `resize`: short side in pixels before the crop. `crop`: side of the square centre crop in pixels (zero padded where
    the resized picture is smaller, as torchvision does). `mean`, `std`: per RGB channel, for values scaled to 0..1.
    `layout`: NCHW or NHWC. `dtype`: FP32 or FP16, the datatype of the tensor.

    Raises ContractError when a value makes no sense.
    """

    resize: int = 256
    crop: int = 224
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    layout: str = "NCHW"
    dtype: str = "FP32"

    def __post_init__(self) -> None:
        problems = [
            *(f"{name} is {getattr(self, name)!r}, not a whole number from 1 to {MAX_SIDE}"
              for name in ("resize", "crop") if not _is_side(getattr(self, name))),
            *(f"{name} is {getattr(self, name)!r}, not one of {', '.join(known)}"
              for name, known in (("interpolation", _FILTERS), ("layout", _LAYOUTS), ("dtype", _DTYPES))
              if getattr(self, name) not in tuple(known)),
            *(f"{name} is {getattr(self, name)!r}, not three finite numbers"
              for name in ("mean", "std") if not _is_triple(getattr(self, name))),
        ]  # fmt: skip
        if not problems and min(self.std) <= 0:
            problems.append(f"std is {self.std!r}: it divides, so each value must be positive")
        if problems:
            raise ContractError("preprocessing: " + "; ".join(problems))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image's tensor: [3, crop, crop] or, in NHWC, [crop, crop, 3]."""
        return (3, self.crop, self.crop) if self.layout == "NCHW" else (self.crop, self.crop, 3)

    @property
    def numpy_dtype(self) -> type[np.floating[Any]]:
        return _DTYPES[self.dtype]

    def to_json(self) -> str:
        """Compact JSON, keys in field order."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Preprocessing:
        """Read what `to_json` wrote. Raises ContractError on anything else; a missing key takes its default."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as exc:
            raise ContractError(f"preprocessing is not JSON: {exc}") from exc
        if not isinstance(values, dict):
            raise ContractError(f"preprocessing is a JSON {type(values).__name__}, not an object")
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise ContractError(f"preprocessing has unknown keys: {', '.join(unknown)}")
        arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**arguments)


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SIDE


def _is_triple(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(
        isinstance(item, (int, float)) and not isinstance(item, bool) and math.isfinite(item) for item in value
    )  # fmt: skip


def open_image(
    source: Path | bytes | BinaryIO, *, orient: bool = True, fast: Preprocessing | None = None
) -> Image.Image:
    """Decode the first frame of an image file, whatever its mode.

    `orient`: turn it as its EXIF orientation says. `fast`: a JPEG is scaled by 1/2, 1/4 or 1/8 while it is decoded, to
    no less than this preprocessing's short side. Not exact: on photographs the tensor differs by 0.02 on average (one
    grey level of 255); 3 times as fast at 1920x1080, 5 times and more at 12 MP (benchmarks/preprocessing.py).

    Raises ImageError: not an image, truncated, unreadable, or more than MAX_PIXELS to decode.
    """
    name = source.name if isinstance(source, Path) else None
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_OPENABLE) as image:
            if fast:
                image.draft(None, (fast.resize, fast.resize))
            _refuse_bomb(image.size, name)
            image.load()
            return oriented(image) if orient else image
    except ImageError:
        raise
    except UnidentifiedImageError as exc:
        raise ImageError(_why_unidentified(source), name) from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ImageError(f"decompression bomb: {exc}", name) from exc
    except (FileNotFoundError, IsADirectoryError, PermissionError) as exc:
        raise ImageError(exc.strerror or str(exc), name) from exc
    # Decoders fail on hostile bytes in every way that Python knows, so that no list of types would be complete.
    except Exception as exc:
        raise ImageError(f"damaged image: {exc}", name) from exc


def _refuse_bomb(size: tuple[int, int], name: str | None) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        reason = f"{width}x{height} is {width * height:,} pixels, more than the {MAX_PIXELS:,} that are safe to decode"
        raise ImageError(f"decompression bomb: {reason}", name)


def _why_unidentified(source: Path | bytes | BinaryIO) -> str:
    if isinstance(source, Path):
        with source.open("rb") as file:
            return "not an image in a known format" if file.read(1) else "empty file"
    return "not an image in a known format" if source else "empty file"


def oriented(image: Image.Image) -> Image.Image:
    """The picture upright. An EXIF block that cannot be read says nothing about orientation."""
    try:
        # exif_transpose would copy an image that is upright already.
        return ImageOps.exif_transpose(image) if image.getexif().get(ExifTags.Base.Orientation, 1) != 1 else image
    except Exception:
        return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode as 8-bit RGB.

    Transparency is dropped, as torchvision's loader does: it is what classifiers were trained with. More than 8 bits
    are scaled, not clipped, by the smallest range that holds the values: integers 0..65535 or 0..2^31-1; floats 0..1,
    0..255, 0..65535 or the largest value. Raises ImageError for a mode without a way to RGB (LAB).
    """
    if image.mode == "RGB":
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    # Palettes with transparency and premultiplied alpha have no direct way to RGB.
    try:
        if "transparency" in image.info or image.mode in ("La", "RGBa"):
            image = image.convert("LA" if image.mode == "La" else "RGBA")
        return image.convert("RGB")
    except ValueError as exc:
        raise ImageError(f"colour mode {image.mode} cannot be shown as RGB") from exc


def _to_8_bit(values: NDArray[Any]) -> Pixels:
    ranges = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0, 2.0**31 - 1)
    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(0.0)
    largest = finite.max(initial=0.0)
    full = next((full for full in ranges if largest <= full), largest)
    return cast(Pixels, np.rint(finite * (255.0 / full)).astype(np.uint8))


def preprocess(image: Image.Image, spec: Preprocessing, out: Tensor | None = None) -> Tensor:
    """One image as the model wants it: [3, crop, crop] (NHWC: [crop, crop, 3]), FP32 or FP16, normalised.

    `out`, when given, receives the values (a slice of a batch buffer, say) and is returned. The values are those of
    torchvision's `Resize`, `CenterCrop`, `ToTensor`, `Normalize` on the same RGB image. Raises ImageError for an image
    without pixels, ValueError when `out` has another shape.
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
def _normalisation_table(mean: tuple[float, float, float], std: tuple[float, float, float]) -> NDArray[np.float32]:
    """[3, 256] FP32: the normalised value of each 8-bit value, in ToTensor's and Normalize's order of operations."""
    unit = np.arange(256, dtype=np.float32) / np.float32(255)
    table: NDArray[np.float32] = (unit - np.array([mean], np.float32).T) / np.array([std], np.float32).T
    return table


def _resized_crop(image: Image.Image, spec: Preprocessing) -> Pixels:
    """[crop, crop, 3] uint8."""
    width, height = _resized(image.size, spec.resize)
    left, top = _crop_start(width, spec.crop), _crop_start(height, spec.crop)
    if max(width, height) > MAX_WHOLE_ASPECT * spec.resize and min(width, height) >= spec.crop:
        return _resample_region(image, (width, height), (left, top), spec)
    resized = image.resize((width, height), _FILTERS[spec.interpolation].resample)
    return np.asarray(resized.crop((left, top, left + spec.crop, top + spec.crop)))


def _resized(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return short_side, int(short_side * height / width)
    return int(short_side * width / height), short_side


def _crop_start(side: int, crop: int) -> int:
    """First pixel of the centre crop; negative where torchvision pads, the smaller half of the padding first."""
    return round((side - crop) / 2) if side >= crop else -((crop - side) // 2)


def _resample_region(image: Image.Image, size: tuple[int, int], start: tuple[int, int], spec: Preprocessing) -> Pixels:
    """What `image.resize(size)` has at `start`, [crop, crop, 3] uint8, without making the rest.

    `resize(box=…)` would not do: it keeps the box in single precision, which moves the samples of a long picture.
    """
    columns, column_weights = _taps(image.width, size[0], start[0], spec)
    rows, row_weights = _taps(image.height, size[1], start[1], spec)
    region = image.crop((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    pixels = np.asarray(region)
    # Horizontal first and 8 bits between the passes: Pillow's order and rounding.
    pixels = _weigh(pixels.transpose(1, 0, 2), columns - columns.min(), column_weights).transpose(1, 0, 2)
    return _weigh(pixels, rows - rows.min(), row_weights)


# Pillow's fixed point for 8-bit pixels: 32 bits less 8 for the value and 2 for the overshoot of negative lobes.
_PRECISION_BITS = 32 - 8 - 2


def _taps(in_size: int, out_size: int, start: int, spec: Preprocessing) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Input positions and fixed-point weights, each [crop, taps], of output positions start..start+crop.

    Pillow's `precompute_coeffs`: the kernel is widened by the scale when shrinking, and cut at the picture's edge.
    """
    filter_ = _FILTERS[spec.interpolation]
    scale = in_size / out_size
    widening = max(scale, 1.0)
    support = filter_.support * widening
    centre = (np.arange(start, start + spec.crop) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), in_size)
    position = first[:, None] + np.arange((last - first).max())
    weight = filter_.kernel((position - centre[:, None] + 0.5) * (1.0 / widening)) * (position < last[:, None])
    weight /= weight.sum(axis=1, keepdims=True)
    fixed = np.trunc(weight * (1 << _PRECISION_BITS) + np.copysign(0.5, weight)).astype(np.int64)
    return np.minimum(position, in_size - 1), fixed


def _weigh(lines: Pixels, positions: NDArray[np.int64], weights: NDArray[np.int64]) -> Pixels:
    """[lines, …] uint8 -> [crop, …] uint8: each output line the weighted sum of its taps, rounded and clipped."""
    total = np.full((len(positions), *lines.shape[1:]), 1 << (_PRECISION_BITS - 1), np.int64)
    for position, weight in zip(positions.T, weights.T, strict=True):
        total += lines[position] * weight.reshape(-1, *[1] * (lines.ndim - 1))
    return (total >> _PRECISION_BITS).clip(0, 255).astype(np.uint8)
