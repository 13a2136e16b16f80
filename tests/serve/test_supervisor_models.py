"""Models that the supervisor has to judge: what hangs, what only has much to do, and what cannot be loaded again."""

import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton_grpc

from tests.conftest import TINY_SIDE, wait_until
from tests.serve.tiny import infer
from tests.serve.watched import client_at_work, watched

pytestmark = pytest.mark.live

BATCH = np.zeros((1, 3, TINY_SIDE, TINY_SIDE), np.float32)


@pytest.fixture
def onnx_repository(repository: Path) -> Path:
    shutil.rmtree(repository / "tiny_torchscript")
    return repository


DEADLOCK = """
import time
from pathlib import Path
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.mark = Path(args["model_repository"], "hang")

    def execute(self, requests):
        if self.mark.exists():
            self.mark.unlink()
            time.sleep(3600)
        return [pb_utils.InferenceResponse(request.inputs()) for request in requests]
"""
DEADLOCK_CONFIG = """
name: "tiny_onnx" backend: "python" max_batch_size: 0
input { name: "X" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "X" data_type: TYPE_FP32 dims: [ 1 ] }
"""


def test_a_model_that_hangs_in_its_own_code_is_killed_and_replaced(tmp_path: Path) -> None:
    model = tmp_path / "tiny_onnx"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(DEADLOCK_CONFIG)
    (model / "1" / "model.py").write_text(DEADLOCK)
    with watched(tmp_path) as found:
        (model / "hang").touch()
        found.tells("tiny_onnx: gave no answer and finished nothing for 2 s")
        found.heals()


SLOW = """
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(1)
        return [pb_utils.InferenceResponse(request.inputs()) for request in requests]
"""


@pytest.mark.slow
def test_a_long_queue_is_no_fault(tmp_path: Path) -> None:
    model = tmp_path / "tiny_onnx"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(DEADLOCK_CONFIG)
    (model / "1" / "model.py").write_text(SLOW)
    with watched(tmp_path) as found, triton_grpc.InferenceServerClient(found.server.grpc_url) as client:
        tensor = triton_grpc.InferInput("X", [1], "FP32").set_data_from_numpy(np.array([7], np.float32))
        answers: list[object] = []
        # Four times as long as the supervisor waits for an answer.
        for _ in range(8):
            client.async_infer("tiny_onnx", [tensor], lambda result, error: answers.append(error))
        wait_until(lambda: len(answers) == 8)
        assert answers == [None] * 8
        assert found.told == []


def test_one_dead_stub_of_two_is_found_though_the_other_answers(onnx_repository: Path) -> None:
    config = onnx_repository / "tiny_onnx" / "config.pbtxt"
    config.write_text(config.read_text().replace("count: 1", "count: 2"))
    with watched(onnx_repository) as found:
        first, second = psutil.Process(found.server.pid).children()
        with client_at_work(found.server):
            first.kill()
            found.heals()
        assert second.status() == psutil.STATUS_ZOMBIE


def add_other(repository: Path) -> Path:
    """The tiny model once more, as `other`; its artifact."""
    shutil.copytree(repository / "tiny_onnx", repository / "other")
    config = repository / "other" / "config.pbtxt"
    config.write_text(config.read_text().replace("tiny_onnx", "other"))
    return repository / "other" / "1" / "model.onnx"


def test_a_model_that_cannot_be_loaded_again_is_tried_until_it_can_and_the_others_go_on(onnx_repository: Path) -> None:
    artifact = add_other(onnx_repository)
    sound = artifact.read_bytes()
    with watched(onnx_repository) as found:
        artifact.write_bytes(b"garbage")
        children = psutil.Process(found.server.pid).children()
        next(child for child in children if "/other/" in " ".join(child.cmdline())).kill()
        wait_until(lambda: "unable to load model 'other'" in found.supervisor.missing().get("other", ""))
        assert infer(found.server, "tiny_onnx", BATCH).shape == (1, 10)
        artifact.write_bytes(sound)
        found.tells("other: answers again")
        assert set(found.supervisor.snapshot()) == {"other", "tiny_onnx"}


def test_a_model_that_the_next_server_cannot_load_is_not_forgotten(onnx_repository: Path) -> None:
    artifact = add_other(onnx_repository)
    sound = artifact.read_bytes()
    with watched(onnx_repository) as found:
        artifact.write_bytes(b"garbage")
        psutil.Process(found.server.pid).kill()
        found.tells("other: could not be loaded when the server was started again")
        found.tells("other: cannot be loaded again yet: ")
        assert infer(found.server, "tiny_onnx", BATCH).shape == (1, 10)
        assert set(found.supervisor.missing()) == {"other"}
        artifact.write_bytes(sound)
        found.tells("other: answers again")
