"""Which sequences of steps make a pipeline: one that ends in a tensor of a known shape and type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step

MOST_STEPS = 8


def misplaced(steps: Sequence[Step]) -> Iterator[str]:
    """A sentence for each step that cannot stand where it stands."""
    if not 1 <= len(steps) <= MOST_STEPS:
        yield f"there are {len(steps)} steps, and 1 to {MOST_STEPS} make a pipeline"
        return
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, (Resize, Crop, Scale, Normalise)):
            yield f"step {number} is {step!r}, which is no step"
            return
    placed = [isinstance(step, (Resize, Crop)) for step in steps]
    if True not in placed:
        yield "no step says the size of the tensor: a crop, or a resize to an exact height and width, is missing"
    for number, (step, after) in enumerate(zip(steps, [*steps[1:], None], strict=True), start=1):
        name = f"step {number} ({step.name})"
        if placed[number - 1] and not all(placed[: number - 1]):
            yield f"{name} comes after values were changed: pictures are placed as 8 bits, before any scale"
        if isinstance(step, Resize) and step.fit != "exact" and not isinstance(after, Crop):
            yield f"{name} keeps the aspect, so that the size of the tensor is open: a crop must follow it"


def unfit(steps: Sequence[Step], channels: int, dtype: str) -> Iterator[str]:
    """A sentence for each step that does not fit the tensor.

    Args:
        steps: Well placed.
        channels: How many the tensor has.
        dtype: Of the tensor.
    """
    for number, step in enumerate(steps, start=1):
        name = f"step {number} ({step.name})"
        if isinstance(step, Normalise) and len(step.mean) != channels:
            yield f"{name} has {len(step.mean)} numbers, and the tensor {channels} channels"
        if isinstance(step, Crop) and any(step.fill) and len(step.fill) != channels:
            yield f"{name} fills with {len(step.fill)} numbers, and the tensor has {channels} channels"
        if isinstance(step, (Scale, Normalise)) and dtype == "UINT8":
            yield f"{name} makes fractions, and the tensor is UINT8"
