"""What rounding costs, in known figures."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate import rounding
from tritonrepo.export.gate.reference import Reference, plan
from tritonrepo.export.gate.rounding import Unseen, measure
from tritonrepo.repository.manifest import Rounded

IMAGES = np.random.default_rng(0).standard_normal((12, 1, 2, 3)).astype(np.float32)
VALUES = (IMAGES.reshape(12, 6) * 2).astype(np.float32)


def unseen() -> Unseen:
    return Unseen(IMAGES, VALUES, "logits")


def expected() -> Reference:
    batches = plan(12, 4)
    return Reference(IMAGES, IMAGES, VALUES, batches, tuple(VALUES[batch] for batch in batches), "logits")


def right(images: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = images.reshape(len(images), 6) * np.float32(2)
    return found


def test_the_figures_are_those_of_the_textbook() -> None:
    wanted = np.log(np.array([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]], np.float32))
    actual = np.log(np.array([[0.25, 0.5, 0.25], [0.2, 0.3, 0.5]], np.float32))
    loss = measure(actual, Unseen(IMAGES[:2], wanted, "logits"))
    assert loss.top1 == 0.5
    assert loss.divergence == pytest.approx((0.5 * np.log(2) + 0.25 * np.log(0.5)) / 2, abs=1e-6)
    assert loss.probability == pytest.approx(0.25)
    assert loss.absolute == pytest.approx(np.log(2))
    assert not loss.passes()


def test_equal_scores_cost_nothing() -> None:
    loss = measure(VALUES, unseen())
    assert (loss.top1, loss.top5, loss.divergence, loss.probability, loss.relative) == (1, 1, 0, 0, 0)
    assert loss.passes()


def test_classes_that_are_about_as_likely_are_as_good() -> None:
    apart = np.log(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))
    assert measure(apart[:, ::-1], Unseen(IMAGES[:1], apart, "logits")).top1 == 0
    alike = np.log(np.array([[0.2502, 0.25, 0.2498, 0.25]], np.float32))
    assert measure(alike[:, ::-1], Unseen(IMAGES[:1], alike, "logits")).top1 == 1


def test_independent_classes_add_up() -> None:
    wanted, actual = np.full((1, 2), 0.5, np.float32), np.array([[0.5, 0.25]], np.float32)
    loss = measure(actual, Unseen(IMAGES[:1], wanted + np.array([[0.0, 1e-6]], np.float32), "independent"))
    assert loss.divergence == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(0.5 / 0.75), abs=1e-4)


def test_what_passes_is_written_down() -> None:
    found = rounding.verify(right, expected(), unseen(), Rounded("photographs", 7, ("stem",)), "onnx_int8", "a runtime")
    assert found.rounded == Rounded("photographs", 7, ("stem",), 0.0)
    assert (found.batch_sizes, found.images, found.top1_agreement, found.runtime) == ((1, 3, 4), 12, 1, "a runtime")


def test_what_loses_too_much_is_refused_with_the_loss() -> None:
    def worse(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return right(images)[:, ::-1].copy()

    with pytest.raises(
        VerificationError, match=r"onnx_int8: loses too much in INT8 .*top-1 agreement \d.*at least 96%"
    ):
        rounding.verify(worse, expected(), unseen(), Rounded("photographs", 7), "onnx_int8", "a runtime")


def test_scores_that_depend_on_the_size_of_the_batch_are_refused() -> None:
    def dependent(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return right(images) + np.float32(len(images) == 3)

    with pytest.raises(VerificationError, match="a picture's scores in a batch of 3 are not those in another batch"):
        rounding.verify(dependent, expected(), unseen(), Rounded("photographs", 7), "onnx_int8", "a runtime")
