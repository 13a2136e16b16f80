"""Preprocessing: the contract's JSON, and the network input as it is defined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client.errors import ContractError
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.steps import Normalise


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_json_round_trip_is_the_contract() -> None:
    text = Preprocessing().to_json()
    assert text == (
        '{"resize":256,"crop":224,"interpolation":"bilinear","mean":[0.485,0.456,0.406],'
        '"std":[0.229,0.224,0.225],"layout":"NCHW","dtype":"FP32"}'
    )
    assert Preprocessing.from_json(text) == Preprocessing()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"resise": 1}', "unknown keys: resise"),
        ('{"resize": "256"}', "resize is '256'"),
        ('{"resize": true}', "resize is True"),
        ('{"crop": 0}', "crop is 0"),
        ('{"crop": 100000}', "crop is 100000"),
        ('{"interpolation": "best"}', "interpolation is 'best'"),
        ('{"interpolation": ["bilinear"]}', "interpolation is"),
        ('{"layout": "CHWN"}', "layout is 'CHWN'"),
        ('{"dtype": "INT8"}', "dtype is 'INT8'"),
        ('{"mean": [1, 2]}', "mean is [1, 2], not three finite numbers"),
        ('{"mean": [1, 2, NaN]}', "mean is [1, 2, nan]"),
        ('{"mean": [true, 1, 2]}', "mean is [True, 1, 2]"),
        ('{"mean": "123"}', "mean is '123'"),
        ('{"mean": ["1", "2", "3"]}', "mean is ['1', '2', '3']"),
        ('{"mean": [[1], 2, 3]}', "mean is [[1], 2, 3]"),
        ('{"mean": {"a": 1, "b": 2, "c": 3}}', "mean is {'a'"),
        ('{"mean": 0.5}', "mean is 0.5"),
        (f'{{"mean": [1, 2, {10**400}]}}', "mean is [1, 2, 1"),
        ('{"std": [0.1, 0.2, 0]}', "std is (0.1, 0.2, 0.0): it divides"),
    ],
)
def test_nonsense_is_refused(text: str, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        Preprocessing.from_json(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "mean",
    [
        [0.5, 0.25, 1.0],
        (0.5, 0.25, 1),
        np.array([0.5, 0.25, 1.0], np.float32),
        [np.float64(0.5), np.float16(0.25), np.int64(1)],
    ],
)
def test_any_three_numbers_are_a_mean(mean: tuple[float, float, float]) -> None:
    spec = Preprocessing(mean=mean, std=mean)
    assert spec == Preprocessing(mean=(0.5, 0.25, 1.0), std=(0.5, 0.25, 1.0))
    assert spec.steps[-1] == Normalise((0.5, 0.25, 1.0), (0.5, 0.25, 1.0))
    assert {type(value) for value in spec.steps[-1].mean} == {float}
    assert hash(spec) == hash(Preprocessing.from_json(spec.to_json()))
    assert preprocess(noise(300, 300), spec).shape == (3, 224, 224)


def test_a_side_may_be_numpys() -> None:
    spec = Preprocessing(resize=np.int64(36), crop=np.uint8(32))  # type: ignore[arg-type]
    assert spec == Preprocessing(36, 32)
    assert {type(side) for side in (*spec.first_size, *spec.size)} == {int}
    assert Preprocessing.from_json(spec.to_json()) == spec
    for wrong in (36.0, "36", None, math.nan, np.bool_(True)):
        with pytest.raises(ContractError, match="not a whole number from 1 to 4096"):
            Preprocessing(resize=wrong)  # type: ignore[arg-type]


def test_values_go_into_the_given_buffer() -> None:
    batch = np.zeros((2, 3, 224, 224), np.float32)
    returned = preprocess(noise(300, 400), Preprocessing(), batch[1])
    assert np.shares_memory(returned, batch)
    assert not batch[0].any()
    assert np.array_equal(batch[1], preprocess(noise(300, 400), Preprocessing()))
    with pytest.raises(ValueError, match="shape"):
        preprocess(noise(300, 400), Preprocessing(), np.zeros((3, 1, 1), np.float32))


def test_normalisation_is_that_of_its_definition() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    spec = Preprocessing(resize=8, crop=8, mean=mean, std=std)
    picture = noise(8, 8)
    expected = (np.asarray(picture).transpose(2, 0, 1) / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert np.abs(preprocess(picture, spec) - expected).max() < 1e-6


def test_layout_and_dtype_are_obeyed() -> None:
    planar = preprocess(noise(300, 300), Preprocessing())
    interleaved = preprocess(noise(300, 300), Preprocessing(layout="NHWC", dtype="FP16"))
    assert interleaved.shape == (224, 224, 3)
    assert interleaved.dtype == np.float16
    assert np.array_equal(interleaved, planar.transpose(1, 2, 0).astype(np.float16))


@pytest.mark.parametrize("size", [(30000, 1), (1, 30000), (1, 1)])
def test_extreme_shapes_are_small_work(size: tuple[int, int]) -> None:
    tensor = preprocess(Image.new("RGB", size, (255, 0, 0)), Preprocessing())
    assert tensor.shape == (3, 224, 224)
    assert np.ptp(tensor, axis=(1, 2)).max() == 0


def test_a_crop_larger_than_the_picture_is_zero_padded_as_torchvision_does() -> None:
    spec = Preprocessing(resize=221, crop=224, mean=(0, 0, 0), std=(1, 1, 1))
    tensor = preprocess(Image.new("RGB", (300, 300), "white"), spec)
    assert tensor[0, 1:222, 1:222].min() == 1
    assert tensor[:, 0].max() == tensor[:, 222:].max() == tensor[:, :, 222:].max() == 0
