import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        name = config["default_model_filename"] or "model.pt"
        path = Path(args["model_repository"]) / args["model_version"] / name
        self.module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        self.input = config["input"][0]["name"]
        self.output = config["output"][0]["name"]

    def execute(self, requests: list[Any]) -> list[Any]:
        arrays = [pb_utils.get_input_tensor_by_name(r, self.input).as_numpy() for r in requests]
        batch = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        with torch.inference_mode():
            result = self.module(torch.from_numpy(batch)).numpy()
        responses, start = [], 0
        for array in arrays:
            stop = start + len(array)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(self.output, result[start:stop])]))
            start = stop
        return responses
