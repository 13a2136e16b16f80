"""What holds for every input: decoding, preprocessing, and the reading of a contract."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from tests.client.kept import result, write
from tests.client.test_contract import config
from tritonrepo.client.contract import ModelContract, read_contract
from tritonrepo.client.decode import SCORES, Scores, parse_classification, softmax, top
from tritonrepo.client.errors import ContractError
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.resample import INTERPOLATIONS
from tritonrepo.client.result_file import open_to_go_on, read_done
from tritonrepo.client.steps import FITS, KINDS, RESIZE_ROUNDINGS, Normalise, Step

# The same examples each time: a test that fails on some days only helps nobody.
PROPERTY = settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(PROPERTY, max_examples=40)
TYPES = st.sampled_from([np.float16, np.float32, np.float64])

any_scores = TYPES.flatmap(lambda kind: arrays.arrays(kind, st.integers(1, 12)))
finite_scores = arrays.arrays(np.float32, st.integers(1, 12), elements=st.floats(-1e4, 1e4, width=32))


@PROPERTY
@given(values=any_scores, scores=st.sampled_from(SCORES), count=st.integers(1, 15))
def test_scores_are_ranked_or_refused(values: NDArray[Any], scores: Scores, count: int) -> None:
    labels = [f"label {number}" for number in range(len(values))]
    try:
        found = top(values, labels, count, scores)
    except ContractError:
        return
    assert len(found) == min(count, len(values))
    assert [one.score for one in found] == sorted(map(float, values), reverse=True)[:count]
    for one in found:
        assert one.label == labels[one.index]
        assert one.score == float(values[one.index])
        json.dumps([one.probability], allow_nan=False)


@PROPERTY
@given(values=finite_scores, shift=st.floats(-1e3, 1e3))
def test_softmax_is_a_distribution_that_sees_no_constant(values: NDArray[np.float32], shift: float) -> None:
    shares = softmax(values)
    assert math.isclose(shares.sum(), 1.0, rel_tol=1e-12)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert np.allclose(shares, softmax(values.astype(np.float64) + shift), atol=1e-9)


@PROPERTY
@given(entries=st.lists(st.binary(max_size=30) | st.from_regex(rb"-?\d+(\.\d+)?:\d+(:.*)?", fullmatch=True)))
def test_classifications_are_read_or_refused(entries: list[bytes]) -> None:
    for scores in SCORES:
        try:
            found = parse_classification(np.array(entries, object), scores)
        except ContractError:
            continue
        assert len(found) == len(entries)
        assert all(one.label for one in found)


specs = st.builds(
    Preprocessing,
    resize=st.integers(1, 300),
    crop=st.integers(1, 300),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    mean=st.tuples(*[st.floats(0, 1)] * 3),
    std=st.tuples(*[st.floats(0.01, 1)] * 3),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    dtype=st.sampled_from(["FP32", "FP16"]),
)
sides = st.integers(1, 400)


@FEW
@given(spec=specs, width=sides, height=sides, seed=st.integers(0, 2**32 - 1))
def test_every_picture_becomes_what_its_spec_promises(spec: Preprocessing, width: int, height: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    tensor = preprocess(Image.fromarray(pixels), spec)
    assert tensor.shape == spec.shape
    assert tensor.dtype == np.dtype(spec.numpy_dtype)
    channels = np.moveaxis(tensor, 0 if spec.layout == "NCHW" else 2, 0).astype(np.float64)
    normalise = spec.steps[-1]
    assert isinstance(normalise, Normalise)
    for channel, mean, std in zip(channels, normalise.mean, normalise.std, strict=True):
        room = 0.01 + abs(mean / std) * 0.01
        assert channel.min() >= -mean / std - room
        assert channel.max() <= (1 - mean) / std + room


@FEW
@given(spec=specs, width=sides, height=sides, colour=st.tuples(*[st.integers(0, 255)] * 3))
def test_one_colour_stays_one_colour(
    spec: Preprocessing, width: int, height: int, colour: tuple[int, int, int]
) -> None:
    scale = spec.first_size[0] / min(width, height)
    if min(int(width * scale), int(height * scale)) < spec.size[0]:
        return  # Padded with black, as torchvision does it.
    tensor = preprocess(Image.new("RGB", (width, height), colour), spec)
    channels = np.moveaxis(tensor, 0 if spec.layout == "NCHW" else 2, 0)
    assert all((channel == channel.flat[0]).all() for channel in channels)


@PROPERTY
@given(spec=specs)
def test_a_spec_survives_its_json(spec: Preprocessing) -> None:
    assert Preprocessing.from_json(spec.to_json()) == spec


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
FIELDS = ("name", "max_batch_size", "input", "output", "parameters")
DTYPES = ("FP32", "FP16", "UINT8")
INNER = ("name", "data_type", "dims", "label_filename")


class _Says:
    """As much of a transport as a contract is read by."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def config(self, model: str, version: str = "") -> Any:
        return self._answer


def read(answer: Any) -> ModelContract | None:
    try:
        return read_contract(_Says(answer), "net")  # type: ignore[arg-type]
    except ContractError:
        return None


@PROPERTY
@given(field=st.sampled_from(FIELDS), value=anything)
def test_a_config_with_anything_in_it_is_a_contract_or_an_error(field: str, value: Any) -> None:
    contract = read(config(**{field: value}))
    assert contract is None or contract.classes > 0


@PROPERTY
@given(place=st.sampled_from(["input", "output"]), field=st.sampled_from(INNER), value=anything)
def test_a_tensor_with_anything_in_it_is_a_contract_or_an_error(place: str, field: str, value: Any) -> None:
    whole = config()
    whole[place][0][field] = value
    contract = read(whole)
    assert contract is None or (contract.classes > 0 and contract.input.shape == contract.preprocessing.shape)


@PROPERTY
@given(
    key=st.sampled_from(["preprocessing", "trained", "synsets", "scores"]), text=st.text() | anything.map(json.dumps)
)
def test_a_parameter_with_anything_in_it_is_a_contract_or_an_error(key: str, text: str) -> None:
    whole = config()
    whole["parameters"][key] = {"string_value": text}
    contract = read(whole)
    assert contract is None or contract.scores in SCORES


triples = st.lists(st.floats(0.5, 300, width=32), min_size=3, max_size=3)
RIGHT = {
    "height": st.integers(1, 9), "width": st.integers(1, 9), "fit": st.sampled_from(FITS),
    "interpolation": st.sampled_from(INTERPOLATIONS), "fill": st.lists(st.integers(0, 255), min_size=3, max_size=3),
    "rounding": st.sampled_from(RESIZE_ROUNDINGS), "divisor": st.floats(0.5, 300), "offset": st.floats(-2, 2),
    "mean": triples, "std": triples,
}  # fmt: skip


def some(kind: type[Step], wrong: bool) -> st.SearchStrategy[dict[str, Any]]:
    values = {field.name: RIGHT[field.name] | anything if wrong else RIGHT[field.name] for field in fields(kind)}
    return st.fixed_dictionaries({"step": st.just(kind.name), **values})


some_steps = st.lists(
    st.tuples(st.sampled_from(list(KINDS.values())), st.sampled_from([False, False, False, True])).flatmap(
        lambda chosen: some(*chosen)
    ),
    min_size=1,
    max_size=4,
)


@PROPERTY
@given(
    steps=some_steps | anything, channels=st.sampled_from(["RGB", "RGB", "BGR", "L", 5]), dtype=st.sampled_from(DTYPES)
)
def test_steps_with_anything_in_them_prepare_a_picture_or_are_an_error(steps: Any, channels: Any, dtype: str) -> None:
    text = json.dumps({"schema": 2, "steps": steps, "channels": channels, "dtype": dtype})
    try:
        spec = Preprocessing.from_json(text)
    except ContractError:
        return
    assert Preprocessing.from_json(spec.to_json()) == spec
    tensor = preprocess(Image.new("RGB", (7, 5), "white"), spec)
    assert (tensor.shape, tensor.dtype) == (spec.shape, np.dtype(spec.numpy_dtype))


@PROPERTY
@given(value=anything)
def test_what_is_no_config_is_an_error(value: Any) -> None:
    assert read(value) is None


@FEW
@given(names=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6), cut=st.floats(0, 1), data=st.data())
def test_a_result_file_that_was_cut_anywhere_is_gone_on_with(names: list[str], cut: float, data: st.DataObject) -> None:
    """Nothing is lost and nothing is there twice, whatever the images are called."""
    suffix = data.draw(st.sampled_from(["jsonl", "csv"]))
    results = [result(name, number) for number, name in enumerate(names)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"results.{suffix}"
        whole = write(path, results)
        path.write_bytes(whole[: int(cut * len(whole))])
        done = read_done(path)
        assert [record.image for record in done.records] == names[: len(done.records)]
        assert path.read_bytes()[: done.size] == whole[: done.size]
        rest = write(Path(folder) / f"rest.{suffix}", results[len(done.records) :])
        with open_to_go_on(path, done.size) as file:
            file.write(rest if suffix == "jsonl" or not done.size else rest.split(b"\n", 1)[1])
        assert path.read_bytes() == whole
