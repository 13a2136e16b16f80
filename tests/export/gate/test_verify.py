"""The gate lets through what matches, and nothing else."""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests import factories
from tests.export.gate.modules import MAX_BATCH, SHAPE, Images, around, observed, run_of
from tritonrepo.export import to_onnx, to_torchscript
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate.reference import Reference
from tritonrepo.export.gate.verify import Runner, verify
from tritonrepo.repository.tolerance import FP16, FP32


@pytest.fixture(scope="module")
def expected() -> Reference:
    return observed(factories.network())


def artifact(module: nn.Module, path: Path) -> Runner:
    to_torchscript.convert(module, SHAPE, path / "model.pt")
    return to_torchscript.load(path / "model.pt")


@pytest.mark.parametrize("converter", [to_torchscript, to_onnx])
def test_a_faithful_artifact_passes(converter: object, expected: Reference, tmp_path: Path) -> None:
    converter.convert(factories.network(), SHAPE, tmp_path / "model")  # type: ignore[attr-defined]
    found = verify(converter.load(tmp_path / "model"), expected, FP32, "x", "some runtime")  # type: ignore[attr-defined]
    assert found.batch_sizes == (1, 3, 7, MAX_BATCH)
    assert found.images == MAX_BATCH
    assert found.worst_absolute <= found.tolerance
    assert found.worst_relative * found.tolerance == pytest.approx(found.worst_absolute * FP32.share)
    assert found.worst_probability < 1e-4
    assert found.top1_agreement == found.top5_agreement == 1
    assert (found.scores, found.runtime) == ("logits", "some runtime")


def test_one_corrupted_weight_is_found(expected: Reference, tmp_path: Path) -> None:
    module = factories.network()
    with torch.no_grad():
        module.state_dict()["3.weight"][5, 2, 1, 1] += 0.5
    with pytest.raises(VerificationError, match=r"onnx: does not match PyTorch at batch size 1: class \d+ of picture"):
        verify(artifact(module, tmp_path), expected, FP32, "onnx")


def test_swapped_channels_are_found(expected: Reference, tmp_path: Path) -> None:
    module = nn.Sequential(nn.ChannelShuffle(3), factories.network())
    module[0].forward = lambda x: x.flip(1)
    with pytest.raises(VerificationError, match="does not match PyTorch"):
        verify(artifact(module.eval(), tmp_path), expected, FP32, "onnx")


def test_a_fixed_batch_is_found(expected: Reference, tmp_path: Path) -> None:
    module, _ = factories.fixed_batch()
    with pytest.raises(VerificationError, match="fixed batch dimension"):
        verify(artifact(module, tmp_path), expected, FP32, "torchscript")


def nan_in_the_last(scores: Images) -> Images:
    scores[-1, -1] = np.nan
    return scores


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (nan_in_the_last, "NaN or infinity in the scores of picture"),
        (lambda scores: scores[:1], r"returns float32 \[1, 10\] for a batch of 3"),
        (lambda scores: np.repeat(scores[:1], len(scores), axis=0), "does not match PyTorch at batch size 3"),
        (lambda scores: scores[::-1].copy(), "at batch size 3"),
        (lambda scores: scores.astype(np.float64), "returns float64"),
        (lambda scores: scores[:, :-1], r"\[1, 9\]"),
        (lambda scores: scores + (0.01 if len(scores) == MAX_BATCH else 0), f"at batch size {MAX_BATCH}"),
        (lambda scores: scores + (0.01 if len(scores) == 7 else 0), "at batch size 7"),
    ],
    ids=[
        "nan", "one row", "first row repeated", "rows reversed", "double", "a class less", "largest batch", "odd batch",
    ],
)  # fmt: skip
def test_spoiled_scores_are_found(change: Callable[[Images], Images], message: str, expected: Reference) -> None:
    with pytest.raises(VerificationError, match=message):
        verify(run_of(factories.network(), change), expected, FP32, "x")


def test_the_tolerance_of_fp16_lets_fp16_through_and_no_more(expected: Reference) -> None:
    half = copy.deepcopy(factories.network()).half()

    def run(images: Images) -> Images:
        with torch.inference_mode():
            scores: Images = half(torch.from_numpy(images).half()).float().numpy()
        return scores

    assert verify(run, expected, FP16, "x").top1_agreement == 1
    with pytest.raises(VerificationError, match=r"0\.05 of the scale of the scores"):
        verify(run_of(factories.network(), lambda scores: scores * 1.2), expected, FP16, "x")


def with_a_class_at(number: float, classes: int = 1) -> nn.Module:
    def add(x: Tensor, scores: Tensor) -> Tensor:
        return torch.cat([scores, torch.full_like(scores[:, :classes], number)], 1)

    return around(add)


@pytest.mark.parametrize("classes", [1, 9], ids=["one", "nearly half"])
@pytest.mark.parametrize("number", [-1e4, 1e4, -1e9])
def test_an_outlier_does_not_widen_the_tolerance(number: float, classes: int) -> None:
    """The other classes in reversed order, or off by a hundredth: a small share of the standard deviation."""
    module = with_a_class_at(number, classes)
    judged = observed(module)

    def flip(scores: Images) -> Images:
        return np.hstack([scores[:, 9::-1], scores[:, 10:]])

    def stretch(scores: Images) -> Images:
        return np.hstack([scores[:, :10] * np.float32(1.01), scores[:, 10:]])

    plain = verify(run_of(module), judged, FP32, "x")
    assert plain.tolerance < 1e-3  # the network's own classes lie about 0.2 apart
    for change in (flip, stretch):
        with pytest.raises(VerificationError, match="does not match PyTorch"):
            verify(run_of(module, change), judged, FP32, "x")


def test_a_mask_of_infinity_has_to_be_on_both_sides() -> None:
    module = with_a_class_at(-math.inf)
    judged = observed(module)
    assert verify(run_of(module), judged, FP32, "x").worst_absolute == 0
    with pytest.raises(VerificationError, match=r"class 10 of picture \d+ is -1e\+30, expected -inf"):
        verify(run_of(module, lambda scores: np.maximum(scores, np.float32(-1e30))), judged, FP32, "x")

    def mask_another(scores: Images) -> Images:
        scores[:, 0] = -math.inf
        return scores

    with pytest.raises(VerificationError, match=r"class 0 of picture \d+ is -inf"):
        verify(run_of(module, mask_another), judged, FP32, "x")


def test_a_probability_is_judged_beside_the_scores() -> None:
    """Ten groups of classes, far apart: their scale is wide, and within a group a little decides."""
    module = around(lambda x, scores: torch.cat([scores, scores + 1e-3], 1) * 60)
    judged = observed(module)
    with pytest.raises(VerificationError, match=r"the probability of class \d+ of picture \d+ is off by"):
        verify(run_of(module, lambda scores: scores + np.repeat(np.array([0, 0.4], np.float32), 10)), judged, FP16, "x")


def test_too_many_other_best_classes_are_refused_whatever_the_tolerance_says() -> None:
    """Two classes lie closer together than the tolerance of FP16, and yet not so close that either is right."""
    module = around(lambda x, scores: torch.cat([scores, scores.amax(1, keepdim=True) + torch.tensor([[5, 4.995]])], 1))
    judged = observed(module)
    assert verify(run_of(module), judged, FP16, "x").tolerance > 0.005
    with pytest.raises(VerificationError, match=r"the best class is another for 100\.0% of the pictures; at most 5%"):
        verify(run_of(module, lambda scores: scores[:, [*range(10), 11, 10]]), judged, FP16, "x")


def test_either_of_two_equal_classes_is_right() -> None:
    module = around(lambda x, scores: scores[:, [0, 1, 2, 3, 4, 4, 3, 2, 1, 0]])
    tiny = np.linspace(0, 1e-7, 10, dtype=np.float32)
    assert verify(run_of(module, lambda scores: scores + tiny), observed(module), FP32, "x").top1_agreement == 1
