"""The gate lets through what matches, and nothing else."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from tests import factories
from tritonrepo.export import photographs, to_onnx, to_torchscript, verify
from tritonrepo.export.errors import VerificationError

Images = NDArray[np.float32]
SHAPE = (3, factories.SIDE, factories.SIDE)
MAX_BATCH = 16


@pytest.fixture(scope="module")
def images() -> Images:
    return photographs.batch(photographs.find(), factories.PREPROCESSING, MAX_BATCH)


@pytest.fixture(scope="module")
def expected(images: Images) -> verify.Reference:
    return verify.reference(factories.network(), images, MAX_BATCH)


def artifact(module: nn.Module, path: Path) -> verify.Runner:
    to_torchscript.convert(module, SHAPE, path / "model.pt")
    return to_torchscript.load(path / "model.pt")


@pytest.mark.parametrize("converter", [to_torchscript, to_onnx])
def test_a_faithful_artifact_passes(
    converter: object, images: Images, expected: verify.Reference, tmp_path: Path
) -> None:
    converter.convert(factories.network(), SHAPE, tmp_path / "model")  # type: ignore[attr-defined]
    found = verify.verify(converter.load(tmp_path / "model"), expected, verify.FP32, "x")  # type: ignore[attr-defined]
    assert found.batch_sizes == (1, 3, MAX_BATCH)
    assert found.images == MAX_BATCH
    assert found.worst_absolute <= found.tolerance == pytest.approx(1e-3 * expected.spread)
    assert found.worst_relative == pytest.approx(found.worst_absolute / expected.spread)
    assert found.worst_probability < 1e-4
    assert found.top1_agreement == found.top5_agreement == 1


def test_one_corrupted_weight_is_found(expected: verify.Reference, tmp_path: Path) -> None:
    module = factories.network()
    with torch.no_grad():
        module.state_dict()["3.weight"][5, 2, 1, 1] += 0.5
    with pytest.raises(VerificationError, match=r"onnx: does not match PyTorch at batch size 1: logit \d+ of image"):
        verify.verify(artifact(module, tmp_path), expected, verify.FP32, "onnx")


def test_swapped_channels_are_found(expected: verify.Reference, tmp_path: Path) -> None:
    class Swapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = factories.network()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.network(x.flip(1))
            return logits

    with pytest.raises(VerificationError, match="does not match PyTorch"):
        verify.verify(artifact(Swapped(), tmp_path), expected, verify.FP32, "onnx")


def test_a_fixed_batch_is_found(expected: verify.Reference, tmp_path: Path) -> None:
    module, _ = factories.fixed_batch()
    with pytest.raises(VerificationError, match="fixed batch dimension"):
        verify.verify(artifact(module, tmp_path), expected, verify.FP32, "torchscript")


def of_network(change: Callable[[Images], Images]) -> verify.Runner:
    """A runner that computes the right logits and then spoils them."""
    module = factories.network()

    def run(images: Images) -> Images:
        with torch.inference_mode():
            return change(module(torch.from_numpy(images)).numpy().copy())

    return run


def nan_in_the_last(logits: Images) -> Images:
    logits[-1, -1] = np.nan
    return logits


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (nan_in_the_last, "NaN or infinity in the logits of image 0"),
        (lambda logits: logits[:1], r"returns float32 \[1, 10\] for a batch of 3"),
        (lambda logits: np.repeat(logits[:1], len(logits), axis=0), "does not match PyTorch at batch size 3"),
        (lambda logits: logits[::-1].copy(), "at batch size 3"),
        (lambda logits: logits.astype(np.float64), "returns float64"),
        (lambda logits: logits[:, :-1], r"\[1, 9\]"),
        (lambda logits: logits + (0.01 if len(logits) == MAX_BATCH else 0), f"at batch size {MAX_BATCH}"),
    ],
    ids=["nan", "one row", "first row repeated", "rows reversed", "double", "a class less", "largest batch only"],
)
def test_spoiled_logits_are_found(change: Callable[[Images], Images], message: str, expected: verify.Reference) -> None:
    with pytest.raises(VerificationError, match=message):
        verify.verify(of_network(change), expected, verify.FP32, "x")


def test_the_tolerance_of_fp16_lets_fp16_through_and_no_more(expected: verify.Reference) -> None:
    half = copy.deepcopy(factories.network()).half()

    def run(images: Images) -> Images:
        with torch.inference_mode():
            logits: Images = half(torch.from_numpy(images).half()).float().numpy()
        return logits

    found = verify.verify(run, expected, verify.FP16, "x")
    assert found.top1_agreement == 1
    with pytest.raises(VerificationError, match=r"0\.05 of the logits' spread"):
        verify.verify(of_network(lambda logits: logits * 1.2), expected, verify.FP16, "x")


class Scalar(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Conv2d(4, 2, 3), r"fails on a batch \[16, 3, 32, 32\]"),
        (nn.Conv2d(3, 2, 3), r"returns torch.float32 \[16, 2, 30, 30\]"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 1)), "two at least"),
        (Scalar(), r"returns torch.float32 \[\]"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 4).half()), "fails on a batch"),
        (factories.not_a_number()[0], "NaN or infinity; check its weights"),
        (nn.Sequential(nn.Flatten(), nn.LSTM(3072, 2)), "returns a tuple"),
    ],
)
def test_a_reference_that_is_no_classifier_is_refused(module: nn.Module, message: str, images: Images) -> None:
    with pytest.raises(VerificationError, match=message):
        verify.reference(module.eval(), images, MAX_BATCH)


def test_constant_logits_are_refused(images: Images) -> None:
    classifier = nn.Linear(3, 4)
    nn.init.zeros_(classifier.weight)
    nn.init.zeros_(classifier.bias)
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)
    with pytest.raises(VerificationError, match="the same logit"):
        verify.reference(module, images, MAX_BATCH)


@pytest.mark.parametrize(("largest", "sizes"), [(1, (1,)), (2, (1, 2)), (3, (1, 3)), (64, (1, 3, 64))])
def test_batch_sizes(largest: int, sizes: tuple[int, ...]) -> None:
    assert verify.batch_sizes(largest) == sizes
