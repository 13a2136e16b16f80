"""The steps from a picture to a network's input, each with its JSON: resize and crop, then scale and normalise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Integral
from typing import Any, ClassVar, TypeAlias

import numpy as np

from tritonrepo.client.errors import ContractError
from tritonrepo.client.resample import INTERPOLATIONS

Numbers: TypeAlias = tuple[float, ...]
Size: TypeAlias = tuple[int, int]

MAX_SIDE = 4096
BLACK = (0, 0, 0)
FITS = ("exact", "cover", "contain")
RESIZE_ROUNDINGS = ("down", "nearest")
CROP_ROUNDINGS = ("nearest", "down")
_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
"""What FP32 holds: all that is below the second becomes 0, by which nothing can be divided."""
A_SIDE = f"not a whole number from 1 to {MAX_SIDE}"


@dataclass(frozen=True)
class Resize:
    """Resample the picture as Pillow does, which is antialiased where the picture shrinks.

    Attributes:
        height: Of the box, in pixels.
        width: In the same way.
        fit: `exact` makes the picture the box, whatever its aspect; `cover` keeps the aspect and leaves no part of the
            box empty (the rule of the short side, where the box is square); `contain` keeps the aspect and the whole
            picture inside the box (the rule of the long side).
        interpolation: One of INTERPOLATIONS.
        rounding: Of the side that follows from the aspect: `down` as torchvision and transformers, `nearest` as timm
            does it for boxes that are not square.

    Raises:
        ContractError: A value makes no sense.
    """

    height: int
    width: int
    fit: str = "exact"
    interpolation: str = "bilinear"
    rounding: str = "down"
    name: ClassVar[str] = "resize"

    def __post_init__(self) -> None:
        words = {"fit": FITS, "interpolation": INTERPOLATIONS, "rounding": RESIZE_ROUNDINGS}
        refuse([*keep_sides(self, "height", "width"), *unknown_words(self, words)])

    def of(self, size: Size) -> Size:
        """Width and height that a picture of this width and height gets; no side is less than 1."""
        if self.fit == "exact":
            return self.width, self.height
        width, height = size
        if self.rounding == "nearest":
            ratios = height / self.height, width / self.width
            ratio = min(ratios) if self.fit == "cover" else max(ratios)
            return max(round(width / ratio), 1), max(round(height / ratio), 1)
        narrow = width * self.height <= height * self.width
        if narrow == (self.fit == "cover"):
            return self.width, max(int(self.width * height / width), 1)
        return max(int(self.height * width / height), 1), self.height

    def __str__(self) -> str:
        size = _size(self.height, self.width)
        square = self.height == self.width
        rule = {
            "exact": f"resize to {size}",
            "cover": f"short side {self.height}" if square else f"resize to cover {size}",
            "contain": f"long side {self.height}" if square else f"resize to fit {size}",
        }
        return f"{rule[self.fit]} ({self.interpolation})"


@dataclass(frozen=True)
class Crop:
    """Cut the centre out; where the picture is smaller, pad it on both sides.

    Attributes:
        height: In pixels.
        width: In pixels.
        rounding: Of the first pixel where the rest is odd: `nearest` as torchvision and timm (half to even, and the
            smaller half of a padding first), `down` as transformers (the larger half of a padding first).
        fill: Colour of the padding, 0..255 for each channel of the picture.

    Raises:
        ContractError: A value makes no sense.
    """

    height: int
    width: int
    rounding: str = "nearest"
    fill: tuple[int, ...] = BLACK
    name: ClassVar[str] = "crop"

    def __post_init__(self) -> None:
        problems = [*keep_sides(self, "height", "width"), *unknown_words(self, {"rounding": CROP_ROUNDINGS})]
        fill = numbers(self.fill)
        if fill is None or any(value != int(value) or not 0 <= value <= 255 for value in fill):
            problems.append(f"fill is {self.fill!r}, not whole numbers from 0 to 255")
        else:
            object.__setattr__(self, "fill", tuple(map(int, fill)))
        refuse(problems)

    def of(self, size: Size) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in a picture of this width and height; negative where it is padded."""
        left, top = self._start(size[0], self.width), self._start(size[1], self.height)
        return left, top, left + self.width, top + self.height

    def _start(self, side: int, crop: int) -> int:
        if self.rounding == "down":
            return (side - crop) // 2
        return round((side - crop) / 2) if side >= crop else -((crop - side) // 2)

    def __str__(self) -> str:
        filled = "" if not any(self.fill) else f" (padding {', '.join(map(str, self.fill))})"
        return f"crop {_size(self.height, self.width)}{filled}"


@dataclass(frozen=True)
class Scale:
    """Divide each value, and add to it.

    Attributes:
        divisor: 255 brings 8 bits to 0..1.
        offset: Added afterwards.

    Raises:
        ContractError: A value makes no sense.
    """

    divisor: float = 255.0
    offset: float = 0.0
    name: ClassVar[str] = "scale"

    def __post_init__(self) -> None:
        problems = []
        for field in fields(self):
            value = numbers([getattr(self, field.name)])
            if value is None:
                problems.append(f"{field.name} is {getattr(self, field.name)!r}, not a finite number")
            else:
                object.__setattr__(self, field.name, value[0])
        refuse(problems or ([] if self.divisor >= _SMALLEST else [f"divisor is {self.divisor!r}: it must be positive"]))

    def __str__(self) -> str:
        return f"/ {self.divisor:g}" + (
            f" {'+' if self.offset > 0 else '-'} {abs(self.offset):g}" if self.offset else ""
        )


@dataclass(frozen=True)
class Normalise:
    """Take the mean off, and divide by the standard deviation.

    Attributes:
        mean: For each channel of the tensor, in its order.
        std: In the same way.

    Raises:
        ContractError: A value makes no sense.
    """

    mean: Numbers
    std: Numbers
    name: ClassVar[str] = "normalise"

    def __post_init__(self) -> None:
        problems = []
        for name in ("mean", "std"):
            given = getattr(self, name)
            value = numbers(given)
            if value is None or len(value) not in (1, 3):
                problems.append(f"{name} is {given!r}, not three finite numbers")
            else:
                object.__setattr__(self, name, value)
        if not problems and len(self.mean) != len(self.std):
            problems.append(f"mean has {len(self.mean)} numbers and std {len(self.std)}")
        if not problems and min(self.std) < _SMALLEST:
            problems.append(f"std is {self.std!r}: it divides, so each value must be positive")
        refuse(problems)

    def __str__(self) -> str:
        return f"mean {listed(self.mean)}, std {listed(self.std)}"


Step: TypeAlias = Resize | Crop | Scale | Normalise
KINDS: Mapping[str, type[Step]] = {kind.name: kind for kind in (Resize, Crop, Scale, Normalise)}


def to_values(step: Step) -> dict[str, Any]:
    """The step as JSON has it: its kind under `step`, then its fields."""
    return {"step": step.name, **asdict(step)}


def from_values(number: int, values: object) -> Step:
    """Read what `to_values` gave; `number` names the step where it is refused, from 1.

    Raises:
        ContractError: It is no step that this release knows.
    """
    if not isinstance(values, dict):
        raise ContractError(f"step {number} is {values!r}, not an object")
    given = dict(values)
    name = given.pop("step", None)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ContractError(f"step {number} is {name!r}, and this release knows {', '.join(KINDS)}")
    try:
        unknown = sorted(given.keys() - {field.name for field in fields(kind)})
        if unknown:
            raise ContractError(f"unknown keys: {', '.join(unknown)}")
        return kind(**given)
    except TypeError as exc:  # a key that has no default is missing
        raise ContractError(f"step {number} ({name}) is not whole: {exc}") from exc
    except ContractError as exc:
        raise ContractError(f"step {number} ({name}): {exc}") from exc


def refuse(problems: Sequence[str]) -> None:
    """Raise `ContractError` with all of them, if there are any."""
    if problems:
        raise ContractError("; ".join(problems))


def unknown_words(owner: object, words: Mapping[str, Sequence[str]]) -> list[str]:
    """A sentence for each attribute that is none of its words."""
    return [
        f"{name} is {getattr(owner, name)!r}, not one of {', '.join(known)}"
        for name, known in words.items()
        if getattr(owner, name) not in known
    ]


def keep_sides(owner: object, *names: str) -> list[str]:
    """Keep these attributes as int, of whatever type of number they are; a sentence for each that is no side."""
    problems = []
    for name in names:
        given = getattr(owner, name)
        value = side(given)
        if value is None:
            problems.append(f"{name} is {given!r}, {A_SIDE}")
        else:
            object.__setattr__(owner, name, value)
    return problems


def side(value: Any) -> int | None:
    """A whole number from 1 to MAX_SIDE, of whatever type; None for anything else."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return int(value) if whole and 1 <= int(value) <= MAX_SIDE else None


def numbers(values: Any) -> Numbers | None:
    """Finite numbers of FP32, of whatever type and in whatever sequence, as floats; None for anything else."""
    if not isinstance(values, (Sequence, np.ndarray)) or isinstance(values, (str, bytes)):
        return None
    if any(isinstance(item, (bool, str)) for item in values):
        return None
    try:
        found = tuple(float(item) for item in values)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found and all(math.isfinite(item) and abs(item) <= _LARGEST for item in found) else None


def listed(values: Numbers) -> str:
    """Numbers as a person writes them."""
    return f"({', '.join(f'{value:g}' for value in values)})"


def _size(height: int, width: int) -> str:
    return f"{height}" if height == width else f"{height}x{width}"
