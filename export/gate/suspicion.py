"""What a difference between two ways of preparing an image looks like: the fault that explains it, found by trying."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.resample import INTERPOLATIONS
from tritonrepo.client.steps import CROP_ROUNDINGS, RESIZE_ROUNDINGS, Crop, Resize, Step

Images = NDArray[np.float32]

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
    for sentence, other in (*_other_contracts(picture, preprocessing), *_other_values(found, wanted)):
        if other.shape == wanted.shape and np.abs(other - wanted).max() < ROUNDING * max(1.0, np.abs(wanted).max()):
            return sentence
    if shift := _shift(found, wanted):
        return f"the source's crop lies {shift}"
    if _levels(preprocessing, found, wanted) <= FEW_LEVELS:
        return "they are some grey levels apart, as where the source resizes tensors instead of pictures"
    if float(np.abs(found - wanted).mean()) < RESAMPLED * float(wanted.std()):
        return "the source resamples otherwise, as to another size before the crop, or without antialias"
    return "nothing that is known explains it"


def _levels(preprocessing: Preprocessing, found: Images, wanted: Images) -> float:
    """How many grey levels the two are apart at most, but for values that no picture can have."""
    sides = preprocessing.size[::-1]
    black, white = (preprocess(Image.new("RGB", sides, (level,) * 3), preprocessing) for level in (0, 255))
    middle = tuple(side // 2 for side in preprocessing.size)
    low, high = black[:, middle[0], middle[1], None, None], white[:, middle[0], middle[1], None, None]
    return float((np.abs(found - wanted.clip(low, high)) / ((high - low) / 255)).max())


def _other_contracts(picture: Image.Image, given: Preprocessing) -> Iterator[tuple[str, Images]]:
    """The same contract with one word changed, each with the picture that it makes."""
    for number, step in enumerate(given.steps):
        for said, other in _other_steps(step):
            steps = [*given.steps[:number], other, *given.steps[number + 1 :]]
            changed = Preprocessing.of_steps(steps, channels=given.channels)
            yield f"the source's {step.name} has {said}", preprocess(picture, changed)


def _other_steps(step: Step) -> Iterator[tuple[str, Step]]:
    if isinstance(step, Resize):
        for interpolation in INTERPOLATIONS:
            if interpolation != step.interpolation:
                yield f"the interpolation {interpolation}", replace(step, interpolation=interpolation)
        for more in (*range(-NEAR_SIZES, 0), *range(1, NEAR_SIZES + 1)):
            if min(step.height, step.width) + more > 0:
                sides = step.height + more, step.width + more
                yield "the size {}x{}".format(*sides), replace(step, height=sides[0], width=sides[1])
        for rounding in RESIZE_ROUNDINGS:
            if rounding != step.rounding:
                yield f"the rounding {rounding}", replace(step, rounding=rounding)
    elif isinstance(step, Crop):
        for rounding in CROP_ROUNDINGS:
            if rounding != step.rounding:
                yield f"the rounding {rounding}", replace(step, rounding=rounding)


def _other_values(found: Images, wanted: Images) -> Iterator[tuple[str, Images]]:
    """The same picture with its channels in another order, or on another scale."""
    if found.shape != wanted.shape:
        return
    yield "the source's channels are in the order BGR", _fitted(found[::-1], wanted)
    yield "the source's scale, mean or std is another", _fitted(found, wanted)


def _fitted(found: Images, wanted: Images) -> Images:
    """Each channel scaled and shifted to come nearest to the other."""
    fitted = np.empty_like(wanted)
    for channel, (values, target) in enumerate(zip(found, wanted, strict=True)):
        centred = values.astype(np.float64) - values.mean(dtype=np.float64)
        power = float((centred**2).sum())
        slope = float((centred * target).sum()) / power if power else 0.0
        fitted[channel] = centred * slope + target.mean(dtype=np.float64)
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
