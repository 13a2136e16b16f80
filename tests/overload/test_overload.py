"""A bounded queue under more requests than the model can answer; `make overload` measures it."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tests.conftest import TINY_SIDE, ShortLived
from tests.live.test_compare import plant
from tests.overload.load import offer
from tritonrepo.client import Classifier, Options
from tritonrepo.client.transport import Inference, open_transport

pytestmark = pytest.mark.live

DELAY = 0.1
WAITING = 3


def test_what_does_not_fit_the_queue_is_refused_and_the_client_comes_again(repository: Path, tmp_path: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    plant(repository, tmp_path, "slow", DELAY)
    path = repository / "slow" / "config.pbtxt"
    config = text_format.Parse(path.read_text(), ModelConfig())
    config.dynamic_batching.default_queue_policy.max_queue_size = WAITING
    config.dynamic_batching.preferred_batch_size.append(1)
    path.write_text(text_format.MessageToString(config))
    images = np.zeros((8, 3, TINY_SIDE, TINY_SIDE), np.float32)
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    with ShortLived(repository) as server:
        transport = open_transport(server.grpc_url)
        found = offer(transport, Inference("slow", "INPUT__0", "OUTPUT__0", images), rate=60, seconds=2)
        transport.close()
        with Classifier(server.grpc_url, model="slow", patience=60) as classifier:
            results = list(classifier.classify([tmp_path / "red.png"] * 40, Options(batch_size=8, concurrency=8)))
    assert len(found.accepted) + len(found.refused) == 120
    assert len(found.accepted) >= WAITING
    assert found.refused
    assert all(re.search("[Ee]xceeds maximum queue size", reason) for reason in found.reasons)
    assert [result.error for result in results] == [None] * 40
