"""golden.npz: what it keeps, and what of a server's answers it finds wrong."""

import io
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tritonrepo.client.decode import softmax
from tritonrepo.repository.errors import GoldenError
from tritonrepo.repository.golden import MOST_CLASSES, PICTURES, SIDE, Golden
from tritonrepo.repository.tolerance import FP16, FP32, Tolerance


def drawn(classes: int = 10) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (PICTURES, SIDE, SIDE, 3), np.uint8)
    return pictures, random.standard_normal((PICTURES, classes)).astype(np.float32)


def fault(golden: Golden, answered: NDArray[np.float32], tolerance: Tolerance = FP32) -> str:
    return golden.find_fault(answered, "logits", 1.0, tolerance)


def test_what_is_written_is_read() -> None:
    pictures, values = drawn()
    golden = Golden.of(pictures, values, "logits")
    read = Golden.from_bytes(golden.to_bytes())
    for name, wanted in vars(golden).items():
        np.testing.assert_array_equal(getattr(read, name), wanted)
    np.testing.assert_array_equal(read.scores, values)
    assert read.total == 10


def test_the_file_stays_small_whatever_the_network() -> None:
    pictures, values = drawn(classes=1_000_000)
    golden = Golden.of(pictures, values, "logits")
    assert len(golden.to_bytes()) < 600_000  # noise, which nothing packs
    assert golden.scores.shape == (PICTURES, MOST_CLASSES)
    assert (golden.classes[0], golden.classes[-1]) == (0, 999_999)
    assert golden.best.tolist() == values.argmax(axis=1).tolist()
    assert fault(golden, values) == ""
    values[2, golden.best[2]] -= 9
    likely = softmax(values)[2, golden.best[2]]
    assert golden.probability[2] > likely  # of all classes, not of those that are kept


@pytest.mark.parametrize("tolerance", [FP32, FP16])
def test_the_limits_are_those_of_the_gate(tolerance: Tolerance) -> None:
    pictures, values = drawn()
    golden, off = Golden.of(pictures, values, "logits"), values.copy()
    off[3, 7] += 0.9 * tolerance.share
    assert fault(golden, off, tolerance) == ""
    off[3, 7] += 0.2 * tolerance.share + tolerance.relative * 4
    assert "class 7 of golden image 3" in fault(golden, off, tolerance)


def test_a_sure_class_that_is_less_sure_is_found_by_its_probability() -> None:
    pictures, values = drawn(classes=3)
    values[:] = (9.0, 9.0, 0.0)
    values[0] = (9.2, 9.0, 0.0)
    golden, off = Golden.of(pictures, values, "logits"), values.copy()
    off[0, 0] -= 0.2
    assert golden.find_fault(off, "logits", 300.0, FP32).startswith("answers wrongly: the probability of class 0")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_values_that_are_no_scores_are_found(wrong: float) -> None:
    pictures, values = drawn()
    golden = Golden.of(pictures, values, "logits")
    values[1, 4] = wrong
    assert fault(golden, values) == "answers with NaN or infinity for golden image 1"


def test_another_number_of_classes_is_found() -> None:
    pictures, values = drawn()
    assert fault(Golden.of(pictures, values, "logits"), values[:, :9]) == "answers with [5, 9], expected [5, 10]"


def test_a_masked_class_is_masked_in_the_answer_too() -> None:
    pictures, values = drawn()
    values[:, 2] = -np.inf
    golden = Golden.of(pictures, values, "logits")
    assert fault(golden, values) == ""
    values[0, 2] = 0.0
    assert "class 2 of golden image 0" in fault(golden, values)


def saved(**arrays: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        {"pictures": np.zeros((5, 4, 4), np.uint8)},
        {"scores": np.zeros((4, 10), np.float32)},
        {"scores": np.zeros((5, 10), np.int64)},
        {"classes": np.arange(1, 11)},
        {"best": np.full(5, 10)},
        {"total": np.zeros(2, np.int64)},
        {"pictures": np.zeros((0, 4, 4, 3), np.uint8)},
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(change: dict[str, NDArray[np.generic]]) -> None:
    pictures, values = drawn()
    arrays = {name: np.asarray(value) for name, value in vars(Golden.of(pictures, values, "logits")).items()}
    assert Golden.from_bytes(saved(**arrays)).total == 10
    with pytest.raises(GoldenError, match="are not as an export writes them"):
        Golden.from_bytes(saved(**{**arrays, **change}))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"{}", saved(other=np.zeros(1))])
def test_what_is_no_such_file_is_refused(content: bytes) -> None:
    with pytest.raises(GoldenError, match="cannot be read"):
        Golden.from_bytes(content)


def test_no_python_object_is_loaded() -> None:
    golden = Golden.of(*drawn(), "logits")
    with pytest.raises(GoldenError):
        Golden.from_bytes(saved(**{**vars(golden), "pictures": np.array([{}], object)}))
    assert replace(golden, total=3).is_whole() is False


def test_any_damage_to_the_file_is_one_error() -> None:
    """Whichever byte it is: the archive's, the compressed stream's, an array's head."""
    whole = Golden.of(*drawn(), "logits").to_bytes()
    for at in range(0, len(whole), 997):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        with suppress(GoldenError):  # a byte that nothing reads does no harm
            Golden.from_bytes(bytes(damaged))
    with pytest.raises(GoldenError, match="cannot be read"):
        Golden.from_bytes(whole[:5000] + bytes(100) + whole[5100:])
