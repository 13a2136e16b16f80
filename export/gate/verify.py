"""An artifact, run by its own runtime, against the eager PyTorch module. Raises on a mismatch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.decode import probabilities
from tritonrepo.export.blame import gist
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate.reference import Batch, Inputs, Reference, Values
from tritonrepo.repository.manifest import Verification
from tritonrepo.repository.scores import comparable, differences, scale
from tritonrepo.repository.tolerance import Tolerance, disagreement

Runner = Callable[[Inputs], Values]

TOP_K = 5


def verify(run: Runner, expected: Reference, tolerance: Tolerance, name: str, runtime: str = "") -> Verification:
    """Run the artifact on every batch of the reference, and compare.

    Args:
        run: The artifact: `[N, …]`, pictures as it takes them -> FP32 `[N, classes]`.
        expected: What the PyTorch module computes.
        tolerance: How far a score may be off.
        name: Of the format, for messages.
        runtime: What runs the artifact, for the manifest.

    Raises:
        VerificationError: It fails to run, returns another shape or dtype, NaN, or scores, probabilities or best
            classes that are off by more than the tolerance.
    """
    judge = Judge(expected, tolerance, name)
    for batch, wanted in zip(expected.batches, expected.outputs, strict=True):
        judge.compare(run_batch(run, expected.inputs[batch], wanted, name), wanted, batch)
    return judge.conclude(runtime)


@dataclass
class Judge:
    """Holds batch after batch of an artifact's scores against the reference's.

    Attributes:
        expected: What the PyTorch module computes.
        tolerance: How far a score may be off.
        name: Of the format, for messages.
    """

    expected: Reference
    tolerance: Tolerance
    name: str
    _absolute: float = 0.0
    _probability: float = 0.0
    _same: list[bool] = field(default_factory=list)
    _same_five: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._scale = scale(comparable(self.expected.values, self.expected.scores, self.tolerance.faintest))

    @property
    def limit(self) -> float:
        """The largest difference of a score that is let through, on the scale of logits."""
        return self.tolerance.share * self._scale

    def compare(self, actual: Values, wanted: Values, batch: Batch) -> None:
        """One batch, FP32 `[size, classes]` on both sides. Raises `VerificationError` if they differ."""
        check_values(actual, wanted, batch, self.name)
        scores = self.expected.scores
        found = disagreement(actual, wanted, scores, self._scale, self.tolerance)
        if found is not None:
            raise VerificationError(self._mismatch(actual, wanted, batch, found))
        apart = np.abs(probabilities(actual, scores) - probabilities(wanted, scores))
        if apart.max() > self.tolerance.probability:
            row, column = np.unravel_index(int(np.argmax(apart)), apart.shape)
            raise VerificationError(
                f"{self.name}: does not match PyTorch at batch size {len(batch)}: the probability of class {column} of "
                f"picture {batch[row]} is off by {apart.max():.3g}, more than {self.tolerance.probability:g}"
            )
        left, right = (comparable(values, scores, self.tolerance.faintest) for values in (actual, wanted))
        self._absolute = max(self._absolute, float(np.abs(differences(left, right)).max()))
        self._probability = max(self._probability, float(apart.max()))
        self._same += self._same_best(actual, wanted)
        self._same_five += same_five(actual, wanted)

    def conclude(self, runtime: str) -> Verification:
        """The figures. Raises `VerificationError` if too many pictures have another best class."""
        top1 = sum(self._same) / len(self._same)
        others = self._same.count(False)
        if others > max(1, (1 - self.tolerance.top1) * len(self._same)):
            raise VerificationError(
                f"{self.name}: does not match PyTorch: no score is off by more than the tolerance {self.limit:.3g}, "
                f"and still the best class is another for {1 - top1:.1%} of the pictures; at most "
                f"{1 - self.tolerance.top1:.0%} may be"
            )
        return Verification(
            batch_sizes=self.expected.batch_sizes,
            images=len(self.expected.images),
            tolerance=self.limit,
            tolerance_reason=self.tolerance.reason,
            worst_absolute=self._absolute,
            worst_relative=self._absolute / self._scale,
            worst_probability=self._probability,
            top1_agreement=top1,
            top5_agreement=sum(self._same_five) / len(self._same_five),
            scores=self.expected.scores,
            runtime=runtime,
        )

    def _same_best(self, actual: Values, wanted: Values) -> list[bool]:
        """Whether the artifact's best class is the reference's, or as good as that one there."""
        right = comparable(wanted, self.expected.scores, self.tolerance.faintest)
        same: list[bool] = (behind(right, actual) <= self.tolerance.tie * self._scale).tolist()
        return same

    def _mismatch(self, actual: Values, wanted: Values, batch: Batch, found: tuple[int, int]) -> str:
        row, column = found
        return (
            f"{self.name}: does not match PyTorch at batch size {len(batch)}: class {column} of picture {batch[row]} "
            f"is {actual[row, column]:.6g}, expected {wanted[row, column]:.6g}; the tolerance is {self.limit:.3g} "
            f"({self.tolerance.share:g} of the scale of the scores); "
            f"top-1 agreement {np.mean(self._same_best(actual, wanted)):.0%}"
        )


def run_batch(run: Runner, images: Inputs, wanted: Values, name: str) -> Values:
    """One batch. Raises `VerificationError` if it fails, or returns another shape or dtype than `wanted`."""
    try:
        actual = run(images)
    except Exception as exc:  # each runtime has its own root of errors
        raise VerificationError(
            f"{name}: fails on a batch of {len(images)}: {gist(exc).rstrip('.')}. "
            "If only other batch sizes work, the artifact has a fixed batch dimension"
        ) from exc
    if actual.shape != wanted.shape or actual.dtype != np.float32:
        raise VerificationError(
            f"{name}: returns {actual.dtype} {list(actual.shape)} for a batch of {len(images)}, "
            f"expected float32 {list(wanted.shape)}"
        )
    return actual


def check_values(actual: Values, wanted: Values, batch: Batch, name: str) -> None:
    """Raises `VerificationError` for NaN, infinity, and another mask than the reference's."""
    wrong = (np.isnan(actual) | np.isposinf(actual)).any(axis=1)
    if wrong.any():
        picture = batch[int(np.argmax(wrong))]
        raise VerificationError(
            f"{name}: NaN or infinity in the scores of picture {picture} in a batch of {len(batch)}"
        )
    masks = np.isneginf(actual) != np.isneginf(wanted)
    if masks.any():
        row, column = np.unravel_index(int(np.argmax(masks)), masks.shape)
        raise VerificationError(
            f"{name}: does not match PyTorch at batch size {len(batch)}: class {column} of picture {batch[row]} is "
            f"{actual[row, column]:.6g}, expected {wanted[row, column]:.6g}"
        )


def behind(wanted: NDArray[Any], actual: Values) -> NDArray[Any]:
    """How far the artifact's best class is behind the best one in the reference, for each row of `[N, classes]`."""
    chosen = np.take_along_axis(wanted, actual.argmax(axis=1)[:, None], axis=1)[:, 0]
    apart: NDArray[Any] = wanted.max(axis=1) - chosen
    return apart


def same_five(actual: Values, wanted: Values) -> list[bool]:
    """Whether the five best classes are the same, for each row."""
    best = (np.argsort(-values, axis=1, kind="stable")[:, :TOP_K].tolist() for values in (actual, wanted))
    return [set(left) == set(right) for left, right in zip(*best, strict=True)]
