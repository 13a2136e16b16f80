"""An ONNX artifact in OpenVINO, for the gate, where `--onnx-accelerator openvino` lets that serve it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tritonrepo.repository.on_openvino import OpenVinoSession
from tritonrepo.repository.spec import INPUT_NAME, OUTPUT_NAME


def load(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function that runs the artifact on the CPU: `[N, 3, H, W]` -> `[N, classes]`. Raises OpenVINO's errors."""
    session = OpenVinoSession(path)

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = session.run([OUTPUT_NAME], {INPUT_NAME: images})[0]
        return logits

    return run
