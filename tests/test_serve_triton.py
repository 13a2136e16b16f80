import numpy as np
import tritonclient.grpc as triton_grpc

from serve.triton import TritonServer
from tests.conftest import TINY_SIDE


def test_serves(tiny_server: TritonServer) -> None:
    print(tiny_server.models())
    client = triton_grpc.InferenceServerClient(tiny_server.grpc_url)
    batch = np.random.default_rng(0).standard_normal((3, 3, TINY_SIDE, TINY_SIDE)).astype(np.float32)
    tensor = triton_grpc.InferInput("INPUT__0", batch.shape, "FP32").set_data_from_numpy(batch)
    results = [client.infer(name, [tensor]).as_numpy("OUTPUT__0") for name in ("tiny_onnx", "tiny_torchscript")]
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)
    wanted = triton_grpc.InferRequestedOutput("OUTPUT__0", class_count=10)
    print(client.infer("tiny_onnx", [tensor], outputs=[wanted]).as_numpy("OUTPUT__0")[0])
    assert results[0].shape == (3, 10)
