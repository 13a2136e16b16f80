"""An address that names several servers, as the headless Service of Kubernetes does: gRPC takes them in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TINY_SIDE, ShortLived
from tritonrepo.client.classifier import Classifier
from tritonrepo.client.connection import Connection
from tritonrepo.client.errors import UsageError
from tritonrepo.client.failover import Servers
from tritonrepo.client.grpc_transport import GrpcTransport
from tritonrepo.client.transport import Inference, open_transport
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live
MODEL = "tiny_onnx"
IMAGES = np.zeros((1, 3, TINY_SIDE, TINY_SIDE), np.float32)
REQUEST = Inference(MODEL, "INPUT__0", "OUTPUT__0", IMAGES)


def answered(server: TritonServer) -> int:
    """How many requests the server has answered."""
    transport = open_transport(server.grpc_url)
    statistics = transport.statistics(MODEL)
    transport.close()
    return int(statistics["model_stats"][0].get("inference_count", 0))


def test_a_name_is_enough(tiny_server: TritonServer) -> None:
    with Classifier(f"dns:///localhost:{tiny_server.grpc_port}", MODEL) as classifier:
        (result,) = classifier.classify([np.zeros((50, 60, 3), np.uint8)])
    assert result.error is None
    assert len(result.predictions) == 5


def test_shared_memory_is_for_one_server(tiny_server: TritonServer) -> None:
    url = f"dns:///localhost:{tiny_server.grpc_port}"
    with (
        Classifier(url, MODEL, shared_memory=True) as classifier,
        pytest.raises(UsageError, match="shared memory is for one"),
    ):
        list(classifier.classify([np.zeros((50, 60, 3), np.uint8)]))


def test_servers_of_one_name_answer_in_turn_and_one_may_end(
    tiny_server: TritonServer, tiny_onnx_repository: Path
) -> None:
    with ShortLived(tiny_onnx_repository) as second:
        # No name on this machine has two addresses; gRPC gives a list of them to the same policy.
        transport = Servers([GrpcTransport(f"ipv4:{tiny_server.grpc_url},{second.grpc_url}", Connection())])
        before = [answered(tiny_server), answered(second)]
        for _ in range(30):
            transport.infer(REQUEST)
        counts = [answered(tiny_server) - before[0], answered(second) - before[1]]
        assert sum(counts) == 30
        assert min(counts) >= 10, "each but for those before its connection was there"
        second.stop()
        for _ in range(10):
            transport.infer(REQUEST)
        transport.close()
    assert answered(tiny_server) - before[0] == counts[0] + 10
