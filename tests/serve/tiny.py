"""Requests to the tiny model, and what a server has of the machine."""

from pathlib import Path

import numpy as np
import tritonclient.grpc as triton_grpc
from numpy.typing import NDArray

from tritonrepo.serve.triton import TritonServer


def infer(server: TritonServer, model: str, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    with triton_grpc.InferenceServerClient(server.grpc_url) as client:
        tensor = triton_grpc.InferInput("INPUT__0", list(batch.shape), "FP32").set_data_from_numpy(batch)
        output: NDArray[np.float32] = client.infer(model, [tensor]).as_numpy("OUTPUT__0")
    return output


def regions(server: TritonServer) -> int:
    assert server.directory is not None
    return len(list(Path("/dev/shm").glob(f"{server.directory.name}*")))
