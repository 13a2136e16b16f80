"""The first step of `<model>_encoded`: image files -> what the model takes, by the client's own code.

Runs in Triton's Python backend, which has numpy. All else that it imports lies in `lib/` beside it, so that a version
prepares its pictures as it did on the day when it was made.
"""

import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

LIB = Path(__file__).resolve().parent / "lib"
sys.path[:0] = [str(LIB), str(LIB / sys.implementation.cache_tag)]
sys.dont_write_bytecode = True  # a server that polls would take a new file in here for a new version

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from tritonrepo.client.encoded import REFUSED
from tritonrepo.client.errors import ImageError
from tritonrepo.client.images import open_image
from tritonrepo.client.preprocess import Preprocessing, preprocess

MOST_THREADS = 4
"""Each may hold a decoded picture of the largest size that is let through, 358 MB."""


class TritonPythonModel:
    """Decodes the pictures of all requests that Triton hands over together, each on a thread of its own."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read the contract from the configuration; Triton calls it once."""
        config = json.loads(args["model_config"])
        self.preprocessing = Preprocessing.from_json(config["parameters"]["preprocessing"]["string_value"])
        self.output = config["output"][0]["name"]
        self.threads = ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Return a response for each request.

        A file that cannot be decoded fails its own request. In a request of several it leaves a picture of zeros and
        the reason, and the last step says so.
        """
        files = [pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy().ravel() for request in requests]
        shape, dtype = self.preprocessing.shape, self.preprocessing.numpy_dtype
        prepared = [np.zeros((len(batch), *shape), dtype) for batch in files]
        rows = [row for one in prepared for row in one]
        pairs = zip([bytes(file) for batch in files for file in batch], rows, strict=True)
        reasons = iter(list(self.threads.map(self.prepare, pairs)))
        return [self.respond(one, [next(reasons) for _ in one]) for one in prepared]

    def prepare(self, pair: tuple[bytes, NDArray[Any]]) -> str:
        """Write a file's picture into its row; why that cannot be, or nothing."""
        file, row = pair
        try:
            preprocess(open_image(file), self.preprocessing, row)
        except (ImageError, MemoryError) as error:
            row[...] = 0
            return str(error) or "not enough memory to prepare it"
        return ""

    def respond(self, rows: NDArray[Any], reasons: list[str]) -> Any:
        """Return the response with these pictures, or with the reason why there is none."""
        if len(reasons) == 1 and reasons[0]:
            return pb_utils.InferenceResponse(
                error=pb_utils.TritonError(f"{REFUSED}{reasons[0]}", pb_utils.TritonError.INVALID_ARG)
            )
        texts = np.array([[reason.encode()] for reason in reasons], dtype=object)
        return pb_utils.InferenceResponse([pb_utils.Tensor(self.output, rows), pb_utils.Tensor("REASON", texts)])

    def finalize(self) -> None:
        """End the threads; Triton calls it once."""
        self.threads.shutdown()
