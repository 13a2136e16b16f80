"""The request that `python -m serve` prints; test_serve_main.py sends one."""

import json
import re

from tritonrepo.serve.example import make_curl

URL = "http://127.0.0.1:8000/v2/models/m"


def metadata(datatype: str, output: str = "FP32") -> dict[str, object]:
    return {
        "inputs": [
            {"name": "A", "datatype": datatype, "shape": ["-1", "3", "2"]},
            {"name": "B", "datatype": "INT64", "shape": [4]},
        ],
        "outputs": [{"name": "Y", "datatype": output, "shape": [-1, 10]}],
    }


def test_sizes_add_up_and_free_dimensions_are_one() -> None:
    curl = make_curl(URL, metadata("FP16"))
    match = re.fullmatch(r"\(printf %s '(.*)'; head -c (\d+) /dev/zero\) \| curl -s -H '\S+: (\d+)' .* (\S+)", curl)
    assert match is not None
    header, size, length, url = match.groups()
    assert (int(size), int(length), url) == (1 * 3 * 2 * 2 + 4 * 8, len(header), f"{URL}/infer")
    request = json.loads(header)
    assert [tensor["shape"] for tensor in request["inputs"]] == [[1, 3, 2], [4]]
    assert request["outputs"] == [{"name": "Y", "parameters": {"classification": 5}}]


def test_outputs_that_triton_cannot_classify_come_whole() -> None:
    assert '"outputs":[{"name":"Y","parameters":{}}]' in make_curl(URL, metadata("FP32", output="FP16"))


def test_strings_are_not_invented() -> None:
    assert make_curl(URL, metadata("BYTES")) == f"curl -s {URL}"
