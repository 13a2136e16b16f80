"""What a difference between two ways of preparing an image looks like: the fault that explains it, found by trying."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.errors import ContractError
from tritonrepo.client.images import to_rgb
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.resample import INTERPOLATIONS
from tritonrepo.client.steps import CROP_ROUNDINGS, FITS, MAX_SIDE, RESIZE_ROUNDINGS, Crop, Resize, Step

Images: TypeAlias = NDArray[Any]

ROUNDING = 1e-5
"""What counts as the same here: far below a grey level, and above what a fit loses."""
FEW_LEVELS = 8
"""Pictures are rounded and clipped to grey levels after each of the two passes of a resize, and tensors once or never:
up to 2 levels where bytes are resized, 6 where floats overshoot at an edge."""
NEAR_SIZES = 8
"""Sizes of a resize that are tried, in pixels more and less."""
RESAMPLED = 0.1
"""Resampled from the same place, values differ by less than this share of their spread; noise moves by more."""

_DOWN = {-1: "1 pixel higher", 0: "", 1: "1 pixel lower"}
_RIGHT = {-1: "1 pixel to the left", 0: "", 1: "1 pixel to the right"}


def suspect(picture: Image.Image, preprocessing: Preprocessing, wanted: Images) -> str:
    """A sentence for what the source may do otherwise.

    Args:
        picture: On which the two differ.
        preprocessing: The contract's.
        wanted: FP32 `[channels, height, width]`, as the source prepares it.
    """
    found = preprocess(picture, preprocessing)
    for sentence, other in chain(
        _other_contracts(picture, preprocessing),
        _other_padding(picture, preprocessing, found, wanted),
        _other_values(picture, preprocessing, wanted),
    ):
        if other.shape == wanted.shape and np.abs(other - wanted).max() < ROUNDING * max(1.0, np.abs(wanted).max()):
            return sentence
    if shift := _shift(found, wanted):
        return f"the source's crop lies {shift}"
    if _levels(preprocessing, found, wanted) <= FEW_LEVELS:
        return "they are some grey levels apart, as where the source resizes tensors instead of pictures"
    coarse = _without_antialias(picture, preprocessing)
    if coarse is not None and _levels(preprocessing, coarse, wanted) <= FEW_LEVELS:
        return "the source resizes without antialias"
    if float(np.abs(found - wanted).mean()) < RESAMPLED * float(wanted.std()):
        return "the source resamples otherwise, as to another size before the crop"
    return "nothing that is known explains it"


def _levels(preprocessing: Preprocessing, found: Images, wanted: Images) -> float:
    """How many grey levels the two are apart at most, but for values that no picture can have."""
    low, high = _ends(preprocessing)
    return float((np.abs(found - wanted.clip(low, high)) / ((high - low) / 255)).max())


def _ends(preprocessing: Preprocessing) -> tuple[Images, Images]:
    """What becomes of black and of white, each `[channels, 1, 1]`."""
    sides, (row, column) = preprocessing.size[::-1], (side // 2 for side in preprocessing.size)
    black, white = (preprocess(Image.new("RGB", sides, (level,) * 3), preprocessing) for level in (0, 255))
    return black[:, row, column, None, None], white[:, row, column, None, None]


def _other_contracts(picture: Image.Image, given: Preprocessing) -> Iterator[tuple[str, Images]]:
    """The same contract with one word changed, each with the picture that it makes."""
    for number, step in enumerate(given.steps):
        for said, other in _other_steps(step):
            try:
                changed = _with_step(given, number, other)
            except ContractError:  # without a crop after it, a resize has but one fit
                continue
            yield f"the source's {step.name} has {said}", preprocess(picture, changed)


def _with_step(given: Preprocessing, number: int, step: Step) -> Preprocessing:
    steps = [*given.steps[:number], step, *given.steps[number + 1 :]]
    return Preprocessing.of_steps(steps, channels=given.channels)


def _other_steps(step: Step) -> Iterator[tuple[str, Step]]:
    if isinstance(step, Resize):
        for interpolation in INTERPOLATIONS:
            if interpolation != step.interpolation:
                yield f"the interpolation {interpolation}", replace(step, interpolation=interpolation)
        for more in (*range(-NEAR_SIZES, 0), *range(1, NEAR_SIZES + 1)):
            if min(step.height, step.width) + more > 0:
                sides = step.height + more, step.width + more
                yield "the size {}x{}".format(*sides), replace(step, height=sides[0], width=sides[1])
        for fit in FITS:
            if fit != step.fit:
                yield f"the fit {fit}", replace(step, fit=fit)
        for rounding in RESIZE_ROUNDINGS:
            if rounding != step.rounding:
                yield f"the rounding {rounding}", replace(step, rounding=rounding)
    elif isinstance(step, Crop):
        for rounding in CROP_ROUNDINGS:
            if rounding != step.rounding:
                yield f"the rounding {rounding}", replace(step, rounding=rounding)


def _other_padding(
    picture: Image.Image, given: Preprocessing, found: Images, wanted: Images
) -> Iterator[tuple[str, Images]]:
    """The picture with the source's values where the contract pads."""
    for number, step in enumerate(given.steps):
        if isinstance(step, Crop) and found.shape == wanted.shape:
            fills = ((level,) * len(found) for level in (0, 255))
            dark, light = (preprocess(picture, _with_step(given, number, replace(step, fill=fill))) for fill in fills)
            yield "the source pads with another colour", np.where(dark != light, wanted, found)


def _other_values(picture: Image.Image, given: Preprocessing, wanted: Images) -> Iterator[tuple[str, Images]]:
    """The same picture with its channels in another order, or with what changes values changed to come nearest."""
    found = preprocess(picture, given).astype(np.float64)
    if found.shape != wanted.shape:
        return
    turned = f"the source's channels are in the order {given.channels[::-1]}"
    if len(found) == 3:
        yield turned, preprocess(picture, Preprocessing.of_steps(given.steps, channels=given.channels[::-1]))
        yield turned, found[::-1]
    black, _ = _ends(given)
    yield "the source's scale is another", black + (found - black) * _ratio(found - black, wanted - black)
    yield "the source's mean is another", found + (wanted - found).mean(axis=(1, 2), keepdims=True)
    yield "the source's std is another", found * _ratio(found, wanted, (1, 2))
    yield "the source's scale, mean or std is another", _fitted(found, wanted)
    yield f"{turned}, and its scale, mean or std is another", _fitted(found[::-1], wanted)


def _ratio(found: Images, wanted: Images, axis: tuple[int, ...] | None = None) -> Images:
    """By what the one has to be multiplied to come nearest to the other."""
    power = (found * found).sum(axis=axis, keepdims=True)
    ratio: Images = (found * wanted).sum(axis=axis, keepdims=True) / np.where(power > 0, power, 1)
    return ratio


def _without_antialias(picture: Image.Image, given: Preprocessing) -> Images | None:
    """The contract's picture where the first resize takes the nearest pixels alone; None where it has none of these."""
    first = given.steps[0]
    if not isinstance(first, Resize) or first.interpolation not in ("bilinear", "bicubic"):
        return None
    flat = to_rgb(picture)
    width, height = first.of(flat.size)
    if max(width, height) > MAX_SIDE:
        return None
    pixels = torch.from_numpy(np.array(flat)).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(pixels, (height, width), mode=first.interpolation, antialias=False)
    bytes_ = small[0].round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
    resized = _with_step(given, 0, replace(first, height=height, width=width, fit="exact"))
    return preprocess(Image.fromarray(bytes_), resized)


def _fitted(found: Images, wanted: Images) -> Images:
    """Each channel scaled and shifted to come nearest to the other."""
    centred = found - found.mean(axis=(1, 2), keepdims=True)
    fitted: Images = centred * _ratio(centred, wanted, (1, 2)) + wanted.mean(axis=(1, 2), keepdims=True)
    return fitted


def _shift(found: Images, wanted: Images) -> str:
    """Where the source's pixels lie, where a move makes the two equal; empty where none does."""
    if found.shape != wanted.shape or min(found.shape[1:]) < 3:
        return ""
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if (down, right) != (0, 0) and _equal_when_moved(found, wanted, down, right):
                return " and ".join(filter(None, (_DOWN[down], _RIGHT[right])))
    return ""


def _equal_when_moved(found: Images, wanted: Images, down: int, right: int) -> bool:
    inner = wanted[:, 1:-1, 1:-1]
    height, width = inner.shape[1:]
    moved = found[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
    return bool(np.abs(moved - inner).max() < ROUNDING * max(1.0, float(np.abs(wanted).max())))
