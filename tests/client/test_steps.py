"""The contract of schema 2: steps, their JSON, and what each does to a picture, against Pillow used by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.errors import ContractError
from tritonrepo.client.place import MAX_GROWN_PIXELS
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.resample import INTERPOLATIONS
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step

FILTERS = {name: Image.Resampling[name.upper()] for name in INTERPOLATIONS}
HALF = Normalise((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def pixels(picture: Image.Image, *steps: Step, channels: str = "RGB") -> NDArray[np.uint8]:
    spec = Preprocessing.of_steps(steps, channels=channels, layout="NHWC", dtype="UINT8")
    return preprocess(picture, spec)


def test_what_schema_1_can_say_is_written_in_schema_1() -> None:
    usual: list[Step] = [Resize(235, 235, "cover", "bicubic"), Crop(224, 224), Scale(), HALF]
    spec = Preprocessing.of_steps(usual, layout="NHWC", dtype="FP16")
    assert spec == Preprocessing(235, 224, "bicubic", (0.5,) * 3, (0.5,) * 3, "NHWC", "FP16")
    assert json.loads(spec.to_json()).keys() == {
        "resize", "crop", "interpolation", "mean", "std", "layout", "dtype",
    }  # fmt: skip


OTHERS: dict[str, tuple[list[Step], dict[str, Any]]] = {
    "exact": ([Resize(224, 224, "exact", "bicubic"), Scale(), HALF], {}),
    "not square": ([Resize(235, 300, "cover", "bicubic", "nearest"), Crop(224, 280), Scale(), HALF], {}),
    "lanczos": ([Resize(235, 235, "cover", "lanczos"), Crop(224, 224), Scale(), HALF], {}),
    "rounding of the crop": ([Resize(235, 235, "cover"), Crop(224, 224, "down"), Scale(), HALF], {}),
    "padded": ([Resize(224, 224, "contain"), Crop(224, 224, fill=(124, 116, 104)), Scale(), HALF], {}),
    "offset": ([Resize(224, 224), Scale(127.5, -1.0), HALF], {}),
    "bytes": ([Resize(224, 224)], {"dtype": "UINT8", "layout": "NHWC"}),
    "one channel": ([Resize(28, 28), Scale(), Normalise((0.1307,), (0.3081,))], {"channels": "L"}),
    "BGR": ([Resize(256, 256, "cover"), Crop(224, 224), Scale(), HALF], {"channels": "BGR"}),
    "no normalisation": ([Resize(256, 256, "cover"), Crop(224, 224), Scale()], {}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_rest_is_written_in_schema_2_and_read_again(name: str) -> None:
    steps, ends = OTHERS[name]
    spec = Preprocessing.of_steps(steps, **ends)
    values = json.loads(spec.to_json())
    assert values["schema"] == 2
    assert [step["step"] for step in values["steps"]] == [step.name for step in steps]
    again = Preprocessing.from_json(spec.to_json())
    assert (again, hash(again)) == (spec, hash(spec))


def test_the_json_of_schema_2_is_the_contract() -> None:
    spec = Preprocessing.of_steps([Resize(28, 30), Crop(20, 24, "down"), Scale(), HALF], channels="BGR")
    assert spec.to_json() == (
        '{"schema":2,"channels":"BGR","steps":['
        '{"step":"resize","height":28,"width":30,"fit":"exact","interpolation":"bilinear","rounding":"down"},'
        '{"step":"crop","height":20,"width":24,"rounding":"down","fill":[0,0,0]},'
        '{"step":"scale","divisor":255.0,"offset":0.0},'
        '{"step":"normalise","mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5]}],"layout":"NCHW","dtype":"FP32"}'
    )
    assert spec.shape == (3, 20, 24)


def test_a_pipeline_is_a_line_for_people() -> None:
    steps, _ = OTHERS["padded"]
    assert str(Preprocessing.of_steps(steps)) == (
        "long side 224 (bilinear), crop 224 (padding 124, 116, 104), / 255, mean (0.5, 0.5, 0.5), std (0.5, 0.5, 0.5), "
        "RGB NCHW FP32"
    )
    assert str(Preprocessing()).startswith("short side 256 (bilinear), crop 224, / 255, mean (0.485, 0.456, 0.406)")


RESIZE = {"step": "resize", "height": 8, "width": 8}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([{"step": "rotate", "degrees": 5}], "step 1 is 'rotate', and this release knows resize, crop, scale, normal"),
        ([RESIZE, {"height": 3}], "step 2 is None"),
        ([RESIZE, ["crop"]], "step 2 is ['crop'], not an object"),
        ([{"step": ["resize"]}], "step 1 is ['resize']"),
        ([{**RESIZE, "antialias": False}], "step 1 (resize): unknown keys: antialias"),
        ([{"step": "resize", "height": 8}], "step 1 (resize) is not whole"),
        ([{**RESIZE, "height": 0}], "step 1 (resize): height is 0, not a whole number from 1 to 4096"),
        ([{**RESIZE, "fit": "stretch"}], "fit is 'stretch', not one of exact, cover, contain"),
        ([{**RESIZE, "interpolation": "area"}], "interpolation is 'area'"),
        (
            [RESIZE, {"step": "crop", "height": 2, "width": 2, "fill": [1, 2, 300]}],
            "step 2 (crop): fill is [1, 2, 300]",
        ),
        ([RESIZE, {"step": "crop", "height": 2, "width": 2, "fill": [1, 2]}], "step 2 (crop) fills with 2 numbers"),
        ([RESIZE, {"step": "scale", "divisor": 0}], "step 2 (scale): divisor is 0.0: it must be positive"),
        ([RESIZE, {"step": "scale", "divisor": "255"}], "divisor is '255'"),
        ([RESIZE, {"step": "scale", "divisor": 1e-60}], "divisor is 1e-60: it must be positive"),
        ([RESIZE, {"step": "scale", "offset": 1e39}], "offset is 1e+39, not a finite number"),
        ([RESIZE, {"step": "normalise", "mean": [0, 0, 0], "std": [1, 1, 1e-60]}], "it divides"),
        ([RESIZE, {"step": "normalise", "mean": [0.5], "std": [1, 1, 1]}], "mean has 1 numbers and std 3"),
        ([RESIZE, {"step": "normalise", "mean": [0.5], "std": [1]}], "step 2 (normalise) has 1 numbers"),
        ([{"step": "scale"}], "no step says the size of the tensor"),
        ([{"step": "scale"}, RESIZE], "step 2 (resize) comes after values were changed"),
        ([{**RESIZE, "fit": "cover"}], "step 1 (resize) keeps the aspect"),
        ([{**RESIZE, "fit": "contain"}, RESIZE], "step 1 (resize) keeps the aspect"),
        ([RESIZE] * 9, "there are 9 steps, and 1 to 8 make a pipeline"),
        ([], "there are 0 steps"),
        ({}, "steps is {}, not a list"),
    ],
)
def test_what_a_contract_cannot_say_is_refused_by_the_name_of_the_step(steps: object, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        Preprocessing.from_json(json.dumps({"schema": 2, "steps": steps}))
    assert message in str(caught.value)


def test_fractions_do_not_fit_bytes() -> None:
    with pytest.raises(ContractError, match=r"step 2 \(scale\) makes fractions, and the tensor is UINT8"):
        Preprocessing.of_steps([Resize(8, 8), Scale()], dtype="UINT8")


@pytest.mark.parametrize("schema", [3, "2", True, None, [2]])
def test_a_later_schema_is_refused(schema: object) -> None:
    with pytest.raises(ContractError, match="this client reads 1 and 2; install a later release"):
        Preprocessing.from_json(json.dumps({"schema": schema, "steps": [RESIZE]}))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [(640, 480), (3, 700), (17, 33)])
def test_an_exact_resize_is_pillows(size: tuple[int, int], interpolation: str) -> None:
    picture = noise(*size)
    expected = np.asarray(picture.resize((60, 40), FILTERS[interpolation]))
    assert np.array_equal(pixels(picture, Resize(40, 60, "exact", interpolation)), expected)


@pytest.mark.parametrize(("fit", "best"), [("cover", min), ("contain", max)])
@pytest.mark.parametrize("size", [(640, 480), (480, 640), (333, 1000), (97, 100), (100, 10)])
def test_a_box_is_covered_or_filled_by_timms_rule(size: tuple[int, int], fit: str, best: Any) -> None:
    ratio = best(size[1] / 40, size[0] / 60)
    assert Resize(40, 60, fit, rounding="nearest").of(size) == (round(size[0] / ratio), round(size[1] / ratio))


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        (Resize(256, 256, "cover"), (500, 375), (341, 256)),
        (Resize(256, 256, "cover"), (375, 500), (256, 341)),
        (Resize(256, 256, "contain"), (500, 375), (256, 192)),
        (Resize(256, 256, "contain"), (375, 500), (192, 256)),
        (Resize(40, 60, "cover"), (100, 100), (60, 60)),
        (Resize(40, 60, "contain"), (100, 100), (40, 40)),
        (Resize(224, 224, "contain"), (5000, 7), (224, 1)),
        (Resize(224, 224, "contain", rounding="nearest"), (5000, 7), (224, 1)),
    ],
)
def test_the_other_side_follows_from_the_aspect(
    resize: Resize, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert resize.of(size) == expected


@pytest.mark.parametrize(("side", "nearest", "down"), [(9, 2, 2), (11, 4, 3), (4, 0, 0), (3, 0, -1), (1, -1, -2)])
def test_the_roundings_of_a_crop_are_torchvisions_and_transformers(side: int, nearest: int, down: int) -> None:
    assert Crop(4, 4).of((side, 4)) == (nearest, 0, nearest + 4, 4)
    assert Crop(4, 4, "down").of((4, side)) == (0, down, 4, down + 4)


def test_padding_has_its_colour_on_every_side() -> None:
    found = pixels(Image.new("RGB", (100, 50), "white"), Resize(20, 20, "contain"), Crop(24, 24, fill=(1, 2, 3)))
    assert (found[7:17, 2:22] == 255).all()
    found[7:17, 2:22] = (1, 2, 3)
    assert (found == (1, 2, 3)).all()


def test_a_picture_that_would_grow_beyond_measure_keeps_the_colour_of_its_padding() -> None:
    picture = Image.new("RGB", (60_000, 3), (9, 9, 9))
    assert MAX_GROWN_PIXELS < 60_000 / 3 * 250 * 250
    found = pixels(picture, Resize(250, 250, "cover", "lanczos"), Crop(254, 100, fill=(1, 2, 3)))
    assert (found[2:252] == 9).all()
    assert (found[:2] == (1, 2, 3)).all()
    assert (found[252:] == (1, 2, 3)).all()


def test_steps_come_one_after_the_other() -> None:
    picture = noise(100, 80)
    expected = picture.crop((18, 8, 82, 72)).resize((32, 30), FILTERS["box"]).crop((6, 5, 26, 25))
    found = pixels(picture, Crop(64, 64), Resize(30, 32, "exact", "box"), Crop(20, 20))
    assert np.array_equal(found, np.asarray(expected))


def test_blue_comes_first_in_bgr_and_its_mean_too() -> None:
    picture = Image.new("RGB", (8, 8), (10, 20, 30))
    assert pixels(picture, Resize(8, 8), channels="BGR")[0, 0].tolist() == [30, 20, 10]
    normalise = Normalise((30, 20, 9), (1, 1, 2))
    spec = Preprocessing.of_steps([Resize(8, 8), normalise], channels="BGR")
    assert preprocess(picture, spec)[:, 0, 0].tolist() == [0, 0, 0.5]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "I;16"])
def test_one_channel_is_pillows_luminance(mode: str) -> None:
    grey = noise(30, 20).convert("L")
    picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    expected = np.asarray((grey if mode == "I;16" else picture.convert("L")).resize((10, 12), FILTERS["bilinear"]))
    found = pixels(picture, Resize(12, 10), channels="L")
    assert np.array_equal(found[:, :, 0], expected)
    spec = Preprocessing.of_steps([Resize(12, 10), Scale(), Normalise((0.5,), (0.25,))], channels="L")
    tensor = preprocess(picture, spec)
    assert tensor.shape == (1, 12, 10)
    assert np.abs(tensor[0] - (expected / 255 - 0.5) / 0.25).max() < 1e-6


def test_values_may_be_scaled_shifted_and_normalised_twice() -> None:
    steps: list[Step] = [Resize(8, 8), Scale(127.5, -1.0), Normalise((0.5,) * 3, (0.25,) * 3)]
    steps.append(Normalise((0,) * 3, (2,) * 3))
    picture = noise(8, 8)
    expected = (np.asarray(picture).transpose(2, 0, 1) / 127.5 - 1 - 0.5) / 0.25 / 2
    assert np.abs(preprocess(picture, Preprocessing.of_steps(steps)) - expected).max() < 1e-6


def test_values_that_no_step_changes_are_those_of_the_picture() -> None:
    picture = noise(8, 8)
    tensor = preprocess(picture, Preprocessing.of_steps([Resize(8, 8)]))
    assert tensor.dtype == np.float32
    assert np.array_equal(tensor, np.asarray(picture).transpose(2, 0, 1))
