"""What rounding to INT8 costs: the artifact against the module, on photographs that no range was measured on.

INT8 cannot give the module's scores, so no tolerance on each of them would mean much. What counts is whether the same
class comes first, and how far the probabilities move.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.decode import Scores, probabilities
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate.reference import Inputs, Reference, Values
from tritonrepo.export.gate.verify import Runner, behind, check_values, run_batch, same_five
from tritonrepo.repository.manifest import Rounded, Verification
from tritonrepo.repository.scores import comparable, differences, scale
from tritonrepo.repository.tolerance import FP16, INT8, Rounding, disagreement

BATCH = 8


@dataclass(frozen=True)
class Unseen:
    """Photographs that judge, and what the module gives for them.

    Attributes:
        images: As the artifact takes them: FP32 `[N, channels, H, W]`, or UINT8 `[N, H, W, channels]`.
        values: FP32 `[N, classes]`.
        scores: What the values are.
    """

    images: Inputs
    values: Values
    scores: Scores


@dataclass(frozen=True)
class Loss:
    """How far an artifact is from the module.

    Attributes:
        top1: Share of the photographs with the same best class, or one as good.
        top5: Share with the same five best classes.
        divergence: Kullback-Leibler's, in nats, the mean over the photographs.
        probability: The largest difference of a probability.
        absolute: The largest difference of a score.
        relative: The same as a share of the scale of all scores.
    """

    top1: float
    top5: float
    divergence: float
    probability: float
    absolute: float
    relative: float

    def __str__(self) -> str:
        """The three figures that have limits, for a person."""
        return (
            f"top-1 agreement {self.top1:.1%}, KL divergence {self.divergence:.3g} on average, a probability off by "
            f"{self.probability:.2g} at most"
        )

    def passes(self, limits: Rounding = INT8) -> bool:
        """Whether all are within the limits."""
        return (
            self.top1 >= limits.top1 and self.divergence <= limits.divergence and self.probability <= limits.probability
        )


def measure(actual: Values, unseen: Unseen, limits: Rounding = INT8) -> Loss:
    """Hold the artifact's scores, FP32 `[N, classes]`, against the module's."""
    wanted, scores = unseen.values, unseen.scores
    left, right = (comparable(values, scores, FP16.faintest) for values in (actual, wanted))
    size = scale(right)
    apart = float(np.abs(differences(left, right)).max())
    mine, theirs = (probabilities(values, scores).astype(np.float64) for values in (actual, wanted))
    return Loss(
        top1=float(np.mean((behind(right, actual) <= limits.tie * size) | (behind(theirs, actual) <= limits.close))),
        top5=float(np.mean(same_five(actual, wanted))),
        divergence=float(_divergence(theirs, mine, scores).mean()),
        probability=float(np.abs(mine - theirs).max()),
        absolute=apart,
        relative=apart / size,
    )


def _divergence(wanted: NDArray[np.float64], actual: NDArray[np.float64], scores: Scores) -> NDArray[np.float64]:
    """Of each row, how much worse `actual` tells what `wanted` says, in nats; independent classes add up."""

    def told(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = (p * (np.log(np.maximum(p, 1e-12)) - np.log(np.maximum(q, 1e-12)))).sum(axis=1)
        return total

    return told(wanted, actual) + (told(1 - wanted, 1 - actual) if scores == "independent" else 0.0)


def run(runner: Runner, images: Inputs) -> Values:
    """The artifact's scores, in small batches."""
    return np.concatenate([runner(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


def verify(runner: Runner, expected: Reference, unseen: Unseen, made: Rounded, name: str, runtime: str) -> Verification:
    """Run the artifact on every batch of the reference, and see what it loses on the unseen photographs.

    Args:
        runner: The artifact: FP32 `[N, 3, H, W]` -> FP32 `[N, classes]`.
        expected: The batches of every size, with pictures at the ends of what a camera sees.
        unseen: What judges.
        made: What is known of how it was made.
        name: Of the format, for messages.
        runtime: What runs the artifact, for the manifest.

    Raises:
        VerificationError: It fails to run, returns another shape or dtype, or NaN, depends on the size of the batch, or
            loses more than the limits.
    """
    _check_batches(runner, expected, name)
    loss = measure(run(runner, unseen.images), unseen)
    if not loss.passes():
        raise VerificationError(f"{name}: loses too much in INT8 ({runtime}): {loss}; {INT8.words}")
    size = scale(comparable(unseen.values, unseen.scores, FP16.faintest))
    return Verification(
        batch_sizes=expected.batch_sizes,
        images=len(unseen.images),
        tolerance=INT8.share * size,
        tolerance_reason=INT8.reason,
        worst_absolute=loss.absolute,
        worst_relative=loss.relative,
        worst_probability=loss.probability,
        top1_agreement=loss.top1,
        top5_agreement=loss.top5,
        scores=expected.scores,
        runtime=runtime,
        rounded=made.with_divergence(loss.divergence),
    )


def _check_batches(runner: Runner, expected: Reference, name: str) -> None:
    """No batch size fails, and a picture's scores do not depend on it by more than half precision rounds."""
    outputs = []
    for batch, wanted in zip(expected.batches, expected.outputs, strict=True):
        outputs.append(run_batch(runner, expected.inputs[batch], wanted, name))
        check_values(outputs[-1], wanted, batch, name)
    values = np.empty_like(expected.values)
    for batch, output in zip(expected.batches, outputs, strict=True):
        values[batch] = output
    size = scale(comparable(values, expected.scores, FP16.faintest))
    for batch, output in zip(expected.batches, outputs, strict=True):
        if disagreement(output, values[batch], expected.scores, size, FP16) is not None:
            raise VerificationError(
                f"{name}: a picture's scores in a batch of {len(batch)} are not those in another batch"
            )
