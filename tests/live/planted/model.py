"""The tiny network behind Triton's Python backend, with a fault by the model's parameters.

`delay_file`: waits as many seconds as that file says, for each execution. `swap`: two classes that change places.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as utils


class TritonPythonModel:
    """One instance. Triton calls it from one thread."""

    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        self.delay_file = Path(parameters["delay_file"]["string_value"])
        self.order = np.arange(10)
        if "swap" in parameters:
            first, second = map(int, parameters["swap"]["string_value"].split(","))
            self.order[[first, second]] = second, first
        directory = Path(args["model_repository"]) / args["model_version"]
        self.session = ort.InferenceSession(str(directory / "model.onnx"), providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        time.sleep(float(self.delay_file.read_text()))
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        tensor = utils.get_input_tensor_by_name(request, "INPUT__0").as_numpy()
        (logits,) = self.session.run(["OUTPUT__0"], {"INPUT__0": tensor})
        return utils.InferenceResponse([utils.Tensor("OUTPUT__0", np.ascontiguousarray(logits[:, self.order]))])
