"""A request that can be pasted into a shell."""

import json
import math
from collections.abc import Mapping
from typing import Any

# Bytes of an element, by the names of Triton's protocol. BYTES and BF16 are left out: zeros are no sensible input.
SIZES = {
    "BOOL": 1,
    "UINT8": 1,
    "UINT16": 2,
    "UINT32": 4,
    "UINT64": 8,
    "INT8": 1,
    "INT16": 2,
    "INT32": 4,
    "INT64": 8,
    "FP16": 2,
    "FP32": 4,
    "FP64": 8,
}
# Triton's classification extension knows no other types.
CLASSIFIABLE = SIZES.keys() - {"BOOL", "FP16"}
CLASSES = 5


def make_curl(url: str, metadata: Mapping[str, Any]) -> str:
    """Return a shell command that infers zeros with the model at `url` and shows its best classes.

    A model whose inputs cannot be zeros is asked for its metadata instead.
    """
    if any(tensor["datatype"] not in SIZES for tensor in metadata["inputs"]):
        return f"curl -s {url}"
    inputs = [describe_input(tensor) for tensor in metadata["inputs"]]
    size = sum(tensor["parameters"]["binary_data_size"] for tensor in inputs)
    output = metadata["outputs"][0]
    wanted = {"classification": CLASSES} if output["datatype"] in CLASSIFIABLE else {}
    request = {"inputs": inputs, "outputs": [{"name": output["name"], "parameters": wanted}]}
    header = json.dumps(request, separators=(",", ":"))
    return (
        f"(printf %s '{header}'; head -c {size} /dev/zero) | "
        f"curl -s -H 'Inference-Header-Content-Length: {len(header)}' --data-binary @- {url}/infer"
    )


def describe_input(tensor: Mapping[str, Any], sizes: Mapping[str, int] = SIZES) -> dict[str, Any]:
    """Return the request's entry for a tensor of the metadata, free dimensions set to 1.

    Args:
        tensor: Of the metadata.
        sizes: Bytes of an element of each type.

    Raises:
        KeyError: It is of none of the types.
    """
    shape = [max(int(size), 1) for size in tensor["shape"]]
    size = math.prod(shape) * sizes[tensor["datatype"]]
    return {
        "name": tensor["name"],
        "shape": shape,
        "datatype": tensor["datatype"],
        "parameters": {"binary_data_size": size},
    }
