"""What a model is asked that nobody else asks."""

import json

import pytest

from tritonrepo.serve.probe import make_request


def test_numbers_are_zeros_and_strings_are_empty() -> None:
    inputs = [
        {"name": "SCORES", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "REASON", "datatype": "BYTES", "shape": ["-1", "2"]},
    ]
    body, length = make_request({"inputs": inputs, "outputs": [{"name": "BEST"}]})
    assert [tensor["shape"] for tensor in json.loads(body[:length])["inputs"]] == [[1, 3], [1, 2]]
    assert body[length:] == bytes(3 * 4 + 2 * 4)


def test_a_type_without_zeros_is_not_asked() -> None:
    with pytest.raises(KeyError):
        make_request({"inputs": [{"name": "A", "datatype": "BF16", "shape": [1]}], "outputs": []})
