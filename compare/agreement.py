"""Whether the models give the same answers: each against a reference, on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.decode import softmax
from tritonrepo.client.transport import Inference, Transport
from tritonrepo.compare.inputs import Inputs

TOP = 5


@dataclass(frozen=True)
class DifferingImage:
    """An image with another first class.

    Attributes:
        image: Its name.
        reference_class: The index of the reference's first class.
        model_class: The index of the model's.
        difference: The largest difference of a probability.
    """

    image: str
    reference_class: int
    model_class: int
    difference: float


@dataclass(frozen=True)
class Agreement:
    """A model against the reference on the same images. Figures are NaN where an answer is none.

    Attributes:
        model: Its name.
        reference: The reference's name.
        images: How many.
        worst_difference: Of each image's probabilities the one that differs most; the largest over the images.
        mean_difference: The mean of these over the images.
        worst_shift: The largest difference of a logit, in the reference's standard deviations over the classes. A
            constant that is added to all the logits is no difference.
        top1: Share of the images with the same first class.
        top5: Share of the images with the same first five classes, in any order.
        differing: The images with another first class, the worst first.
    """

    model: str
    reference: str
    images: int
    worst_difference: float
    mean_difference: float
    worst_shift: float
    top1: float
    top5: float
    differing: tuple[DifferingImage, ...] = ()

    def within(self, tolerance: float) -> bool:
        """Whether no logit is off by more than the tolerance; false also for NaN."""
        return self.worst_shift <= tolerance


def answers(transport: Transport, contract: ModelContract, inputs: Inputs) -> NDArray[np.float64]:
    """Ask the model for its logits, by requests of at most its maximum.

    Returns:
        FP64 `[images, classes]`.

    Raises:
        TritonRepoError: What the transport raises.
    """
    size = min(contract.max_batch_size, len(inputs.names)) if contract.batched else 1
    parts = []
    for start in range(0, len(inputs.names), size):
        part = inputs.tensors[start : start + size]
        request = Inference(
            contract.name,
            contract.input.name,
            contract.output.name,
            part if contract.batched else part[0],
            expected=len(part) * contract.classes,
        )
        parts.append(transport.infer(request).values.reshape(len(part), contract.classes))
    logits: NDArray[np.float64] = np.concatenate(parts).astype(np.float64)
    return logits


def compare(
    model: str, reference: str, images: Sequence[str], got: NDArray[np.float64], expected: NDArray[np.float64]
) -> Agreement:
    """Compare two models' logits.

    Args:
        model: Its name.
        reference: The reference's name.
        images: Their names.
        got: The model's logits, FP64 `[images, classes]`.
        expected: The reference's.
    """
    differences = np.abs(softmax(got) - softmax(expected)).max(axis=1)
    shifts = np.abs(_centred(got) - _centred(expected)).max(axis=1)
    firsts, best = _best(got, 1)[:, 0], _best(expected, 1)[:, 0]
    same_first = firsts == best
    same_five = (np.sort(_best(got, TOP), axis=1) == np.sort(_best(expected, TOP), axis=1)).all(axis=1)
    differing = [
        DifferingImage(images[i], int(best[i]), int(firsts[i]), float(differences[i]))
        for i in np.flatnonzero(~same_first)
    ]
    return Agreement(
        model=model,
        reference=reference,
        images=len(images),
        worst_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        worst_shift=float(shifts.max() / max(float(expected.std(axis=1).mean()), np.finfo(np.float64).tiny)),
        top1=float(same_first.mean()),
        top5=float(same_five.mean()),
        differing=tuple(sorted(differing, key=lambda one: -one.difference)),
    )


def _centred(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax does not see a constant that is added to all classes, so nor shall we."""
    centred: NDArray[np.float64] = logits - logits.mean(axis=1, keepdims=True)
    return centred


def _best(logits: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    order: NDArray[np.intp] = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    return order
