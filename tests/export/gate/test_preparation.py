"""The gate of preprocessing, against pipelines written with Pillow alone, right ones and with planted faults."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step
from tritonrepo.export import photographs
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate import odd, preparation
from tritonrepo.export.sources.loaded import Transform

MEANS, STDS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MEAN, STD = np.array(MEANS, np.float32), np.array(STDS, np.float32)
CONTRACT = Preprocessing(40, 32, "bicubic")
PATHS = photographs.find()[:2]


def cut(
    picture: Image.Image,
    move: int = 0,
    resample: Any = Image.Resampling.BICUBIC,
    short: int = 40,
    rounded: Callable[[float], int] = int,
) -> NDArray[np.uint8]:
    """Short side 40, centre crop 32, as torchvision documents it."""
    width, height = picture.size
    size = (short, rounded(short * height / width)) if width <= height else (rounded(short * width / height), short)
    left, top = (round((side - 32) / 2) + move for side in size)
    return np.asarray(picture.convert("RGB").resize(size, resample).crop((left, top, left + 32, top + 32)))


def normalised(
    pixels: NDArray[Any], scale: float = 255, mean: NDArray[np.float32] = MEAN, std: NDArray[np.float32] = STD
) -> NDArray[np.float32]:
    values: NDArray[np.float32] = (pixels.astype(np.float32) / np.float32(scale) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def resized_as_a_tensor(picture: Image.Image, antialias: bool = True) -> NDArray[np.float32]:
    """What a library does that turns pictures into tensors first."""
    pixels = torch.from_numpy(np.asarray(picture.convert("RGB")).transpose(2, 0, 1).copy()).float()
    width, height = picture.size
    size = (int(40 * height / width), 40) if width <= height else (40, int(40 * width / height))
    grown = torch.nn.functional.interpolate(pixels[None], size, mode="bicubic", antialias=antialias)[0]
    top, left = (round((side - 32) / 2) for side in size)
    return normalised(grown.numpy()[:, top : top + 32, left : left + 32].transpose(1, 2, 0))


def squashed(picture: Image.Image) -> NDArray[np.float32]:
    """No regard for the aspect."""
    pixels = np.asarray(picture.convert("RGB").resize((40, 40), Image.Resampling.BICUBIC))
    return normalised(pixels[4:36, 4:36])


def padded(picture: Image.Image, fill: tuple[int, int, int]) -> NDArray[np.float32]:
    """Long side 32, the rest filled."""
    width, height = picture.size
    size = (32, max(int(32 * height / width), 1)) if width >= height else (max(int(32 * width / height), 1), 32)
    board = Image.new("RGB", (32, 32), fill)
    small = picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    board.paste(small, ((32 - size[0]) // 2, (32 - size[1]) // 2))
    return normalised(np.asarray(board))


def check(run: Callable[[Image.Image], NDArray[np.float32]], contract: Preprocessing = CONTRACT) -> Any:
    return preparation.check(Transform("a library", run), contract, PATHS)


def test_the_same_pipeline_passes_on_photographs_and_odd_pictures() -> None:
    passed = check(lambda picture: normalised(cut(picture)))
    assert passed.pictures == 2 + len(odd.SHAPES) + len(odd.MODES) + 2 == 22
    assert passed.difference <= 5e-7


def test_another_order_of_the_same_sums_passes() -> None:
    def folded(picture: Image.Image) -> NDArray[np.float32]:
        values: NDArray[np.float32] = (cut(picture).astype(np.float32) - MEAN * 255) * (1 / (STD * 255))
        return values.transpose(2, 0, 1)

    assert 0 < check(folded).difference <= 1e-6


PLANTED: dict[str, tuple[Callable[[Image.Image], NDArray[np.float32]], str]] = {
    "interpolation": (
        lambda picture: normalised(cut(picture, resample=Image.Resampling.BILINEAR)),
        "the source's resize has the interpolation bilinear",
    ),
    "crop off by one": (
        lambda picture: normalised(cut(picture, 1)),
        "the source's crop lies 1 pixel lower and 1 pixel to the right",
    ),
    "BGR": (lambda picture: normalised(cut(picture)[:, :, ::-1]), "the source's channels are in the order BGR"),
    "BGR, then normalised": (
        lambda picture: np.ascontiguousarray(normalised(cut(picture))[::-1]),
        "the source's channels are in the order BGR",
    ),
    "BGR and scale": (
        lambda picture: normalised(cut(picture)[:, :, ::-1], 127.5),
        "the source's channels are in the order BGR, and its scale, mean or std is another",
    ),
    "scale": (lambda picture: normalised(cut(picture), 127.5), "the source's scale is another"),
    "no scale": (lambda picture: normalised(cut(picture), 1), "the source's scale is another"),
    "mean": (lambda picture: normalised(cut(picture), mean=MEAN[::-1]), "the source's mean is another"),
    "std": (lambda picture: normalised(cut(picture), std=STD[::-1]), "the source's std is another"),
    "scale and mean": (
        lambda picture: normalised(cut(picture), 127.5, mean=MEAN[::-1]),
        "the source's scale, mean or std is another",
    ),
    "fit": (squashed, "the source's resize has the fit exact"),
    "rounding of the resize": (
        lambda picture: normalised(cut(picture, rounded=round)),
        "the source's resize has the rounding nearest",
    ),
    "no antialias": (lambda picture: resized_as_a_tensor(picture, False), "the source resizes without antialias"),
    "tensors": (resized_as_a_tensor, "some grey levels apart, as where the source resizes tensors"),
    "another size": (
        lambda picture: normalised(cut(picture, short=44)),
        "the source's resize has the size 44x44",
    ),
    "something else": (
        lambda picture: normalised(cut(picture.transpose(Image.Transpose.ROTATE_90))),
        "nothing that is known explains it",
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_refused_by_its_name(fault: str) -> None:
    run, sentence = PLANTED[fault]
    with pytest.raises(VerificationError) as caught:
        check(run)
    assert sentence in str(caught.value)
    assert "a library and the contract differ by" in str(caught.value)
    assert "The contract: short side 40 (bicubic), crop 32, / 255" in str(caught.value)


def test_the_rounding_of_a_crop_is_told_from_the_rest() -> None:
    def floored(picture: Image.Image) -> NDArray[np.float32]:
        pixels = np.asarray(picture.convert("RGB").resize((39, 35), Image.Resampling.BILINEAR))
        return normalised(pixels[1:33, 3:35])

    steps: list[Step] = [Resize(35, 39), Crop(32, 32, "down"), Scale(), Normalise(MEANS, STDS)]
    assert check(floored, Preprocessing.of_steps(steps)).difference <= 5e-7
    with pytest.raises(VerificationError, match="the source's crop has the rounding down"):
        check(floored, Preprocessing.of_steps([steps[0], Crop(32, 32), *steps[2:]]))


def test_another_colour_of_the_padding_is_named() -> None:
    steps: list[Step] = [Resize(32, 32, "contain"), Crop(32, 32, fill=(9, 99, 199)), Scale(), Normalise(MEANS, STDS)]
    contract = Preprocessing.of_steps(steps)
    assert check(lambda picture: padded(picture, (9, 99, 199)), contract).difference <= 5e-7
    with pytest.raises(VerificationError, match="the source pads with another colour"):
        check(lambda picture: padded(picture, (0, 0, 0)), contract)


def test_another_size_is_named() -> None:
    with pytest.raises(VerificationError, match=r"makes \[3, 31, 32\] of astronaut.png, the contract \[3, 32, 32\]"):
        check(lambda picture: normalised(cut(picture))[:, 1:])


def test_nan_is_a_difference() -> None:
    with pytest.raises(VerificationError, match="differ by nan"):
        check(lambda picture: normalised(cut(picture)) * np.float32(np.nan))


def test_a_library_that_fails_is_named_with_the_picture() -> None:
    def fails(picture: Image.Image) -> NDArray[np.float32]:
        if picture.width == 1:
            raise ValueError("too small")
        return normalised(cut(picture))

    with pytest.raises(VerificationError, match="a library fails on noise 1x1: ValueError: too small"):
        check(fails)


def test_odd_pictures_are_what_they_are_called() -> None:
    pictures = dict(odd.make(photographs.read(PATHS[0])))
    assert pictures["colour mode CMYK"].mode == "CMYK"
    assert pictures["transparent"].getchannel("A").getextrema() == (0, 255)
    assert pictures["turned by EXIF"].size == odd.SIZE[::-1]
    assert pictures["noise 90x1001"].size == (90, 1001)


def test_photographs_are_read_as_the_client_reads_them(tmp_path: Path) -> None:
    lying = Image.new("RGB", (30, 50), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(tmp_path / "lying.jpg", exif=exif)
    sizes: list[tuple[int, int]] = []

    def run(picture: Image.Image) -> NDArray[np.float32]:
        sizes.append(picture.size)
        return normalised(cut(picture))

    preparation.check(Transform("a library", run), CONTRACT, [tmp_path / "lying.jpg"])
    assert sizes[0] == (50, 30)
