"""The last step of `<model>_encoded`: scores -> the best classes as JSON, by the client's own code.

Runs in Triton's Python backend, which has numpy. All else that it imports lies in `lib/` beside it.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lib"))
sys.dont_write_bytecode = True  # a server that polls would take a new file in here for a new version

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from tritonrepo.client.decode import top
from tritonrepo.client.errors import ContractError

BEST = 5


class TritonPythonModel:
    """Names the best classes of each picture."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read the labels and what the scores are; Triton calls it once."""
        config = json.loads(args["model_config"])
        self.scores = config["parameters"].get("scores", {}).get("string_value", "logits")
        self.labels = (HERE / "labels.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        self.output = config["output"][1]["name"]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Return a response for each request."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """Return the scores of a request's pictures, and JSON for each; those that were refused get -inf throughout."""
        scores = pb_utils.get_input_tensor_by_name(request, "SCORES").as_numpy().copy()
        reasons = pb_utils.get_input_tensor_by_name(request, "REASON").as_numpy().ravel()
        best = [self.describe(row, bytes(reason).decode()) for row, reason in zip(scores, reasons, strict=True)]
        texts = np.array([[json.dumps(one).encode()] for one in best], dtype=object)
        return pb_utils.InferenceResponse([pb_utils.Tensor("BEST", texts), pb_utils.Tensor(self.output, scores)])

    def describe(self, row: NDArray[Any], reason: str) -> Any:
        """Return the best classes of one picture, or why there are none."""
        if reason:
            row[...] = -np.inf
            return {"error": reason}
        try:
            found = top(row.reshape(-1), self.labels, BEST, self.scores)
        except ContractError as error:
            return {"error": str(error)}
        return [{"label": one.label, "index": one.index, "probability": one.probability} for one in found]
