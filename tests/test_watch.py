"""The count of refusals that kills and rollouts show is not zero by itself."""

import numpy as np
import pytest

from tests.conftest import TINY_SIDE
from tests.watch import SWITCH, watch
from tritonrepo.client import Classifier
from tritonrepo.client.errors import VersionGoneError
from tritonrepo.client.transport import Inference
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_request_for_a_version_that_is_gone_is_noted(tiny_server: TritonServer, protocol: str) -> None:
    url = tiny_server.grpc_url if protocol == "grpc" else f"http://{tiny_server.http_url}"
    refused: list[str] = []
    image = np.zeros((1, 3, TINY_SIDE, TINY_SIDE), np.float32)
    with Classifier(url, "tiny_onnx") as classifier:
        watch(classifier, refused)
        assert classifier.transport.infer(Inference("tiny_onnx", "INPUT__0", "OUTPUT__0", image, "1")).version == "1"
        assert refused == []
        with pytest.raises(VersionGoneError):
            classifier.transport.infer(Inference("tiny_onnx", "INPUT__0", "OUTPUT__0", image, "9"))
    assert len(refused) == 1
    assert SWITCH.search(refused[0])
