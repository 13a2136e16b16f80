"""A normalisation on another scale is named."""

import numpy as np
import pytest

from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import photographs
from tritonrepo.export.advice import advise_on_inputs, advise_on_scores

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def advice(mean: tuple[float, float, float], std: tuple[float, float, float]) -> list[str]:
    preprocessing = Preprocessing(resize=36, crop=32, mean=mean, std=std)
    return list(advise_on_inputs(preprocessing, photographs.batch(photographs.find(), preprocessing, 12)))


@pytest.mark.parametrize("pair", [IMAGENET, ((0.5,) * 3, (0.5,) * 3), ((0.0,) * 3, (1.0,) * 3)])
def test_the_usual_scales_give_no_advice(pair: tuple[tuple[float, float, float], tuple[float, float, float]]) -> None:
    assert advice(*pair) == []


def test_a_mean_and_std_of_0_to_255_are_named_with_what_to_write() -> None:
    mean, std, deviation = advice((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    assert "the mean (123.675, 116.28, 103.53) looks like one of pixels in 0 to 255" in mean
    assert "(0.485, 0.456, 0.406)" in mean
    assert "(0.229, 0.224, 0.225)" in std
    assert "standard deviation of 0.00" in deviation


def test_a_std_alone_on_the_other_scale_is_named() -> None:
    std, deviation = advice((0.5,) * 3, (127.5,) * 3)
    assert std.startswith("warning: the std (127.5, 127.5, 127.5) looks like")
    assert deviation.startswith("warning: the network's input has a standard deviation of 0.00")


@pytest.mark.parametrize("std", [(2.0,) * 3, (0.01,) * 3])
def test_an_input_of_an_unusual_deviation_is_named(std: tuple[float, float, float]) -> None:
    assert "and most networks want about 1" in advice((0.45,) * 3, std)[-1]


def test_the_deviation_of_each_channel_counts_by_itself() -> None:
    images = np.zeros((2, 3, 32, 32), np.float32)
    images[:, 0] = 5  # far apart, and flat
    assert len(list(advise_on_inputs(Preprocessing(), images))) == 1


def test_percentages_are_named_and_logits_are_not() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for size in (100, 2):
        (said,) = advise_on_scores(shares * size)
        assert f"add up to {size}, " in said
        assert said.endswith(f"divide them by {size}")
    for others in (logits, np.abs(logits), shares * size - 1):
        assert list(advise_on_scores(others)) == []
