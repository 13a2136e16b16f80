"""A server that heals: stubs and servers that die or hang, with the real Triton and clients at work."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton_grpc

from tests.conftest import TINY_SIDE, ShortLived, traces, wait_until
from tests.serve.tiny import infer
from tritonrepo.client import Classifier
from tritonrepo.serve.errors import NoAnswerError
from tritonrepo.serve.pages import write_metrics
from tritonrepo.serve.questions import exchange
from tritonrepo.serve.supervisor import Care, Supervisor
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

HEALS_WITHIN = 15.0
QUICK = Care(interval=1.0, patience=2.0)
BATCH = np.zeros((1, 3, TINY_SIDE, TINY_SIDE), np.float32)


class Watched:
    """A server over tiny_onnx, and its supervisor at work in a thread."""

    def __init__(self, server: TritonServer, care: Care) -> None:
        self.server = server
        self.told: list[str] = []
        self.ended: list[BaseException] = []
        self.supervisor = Supervisor(server, self.told.append, care)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.supervisor.run()
        except BaseException as error:
            self.ended.append(error)

    def stub(self) -> psutil.Process:
        children = psutil.Process(self.server.pid).children()
        (stub,) = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return stub

    def tells(self, beginning: str, seconds: float = HEALS_WITHIN) -> None:
        wait_until(lambda: any(sentence.startswith(beginning) for sentence in self.told), seconds)

    def heals(self, seconds: float = HEALS_WITHIN) -> None:
        self.tells("tiny_onnx: answers again", seconds)
        wait_until(lambda: not self.supervisor.missing(), 1)

    def request_that_ends_it(self) -> None:
        tensor = {"name": "INPUT__0", "shape": [1, 3, 65536, 65536], "datatype": "FP32", "data": [1]}
        with pytest.raises(NoAnswerError):
            exchange(
                self.server.http_url,
                "POST",
                "/v2/models/tiny_onnx/infer",
                json.dumps({"inputs": [tensor]}).encode(),
                {},
                20,
            )


@contextmanager
def supervised(server: TritonServer) -> Iterator[Watched]:
    """A supervisor at work; of a server that ends meanwhile nothing may be left."""
    directory, family = of(server)
    found = Watched(server, QUICK)
    try:
        wait_until(lambda: found.supervisor.missing() == {})
        yield found
    finally:
        found.supervisor.stop()
        found.thread.join()
    if server.directory != directory:
        assert traces(directory, *family) == []


@contextmanager
def watched(repository: Path) -> Iterator[Watched]:
    """A supervised server of its own; when the block ends, nothing may be left of it."""
    with ShortLived(repository) as server:
        with supervised(server) as found:
            yield found
        directory, family = of(server)
    assert traces(directory, *family) == []


def of(server: TritonServer) -> tuple[Path, list[psutil.Process]]:
    """Its directory, and the processes below it."""
    assert server.directory is not None
    return server.directory, psutil.Process(server.pid).children()


@contextmanager
def client_at_work(server: TritonServer) -> Iterator[None]:
    """A client that classifies picture after picture, and whose every picture must be answered."""
    done, answers = threading.Event(), list[str | None]()

    def work() -> None:
        with Classifier(server.grpc_url, "tiny_onnx") as classifier:
            while not done.is_set():
                answers.extend(result.error for result in classifier.classify([np.zeros((40, 48, 3), np.uint8)] * 4))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_until(lambda: answers)
        yield
        count = len(answers)
        wait_until(lambda: len(answers) > count + 4)
    finally:
        done.set()
        thread.join()
    assert set(answers) == {None}


@pytest.fixture
def onnx_repository(repository: Path) -> Path:
    shutil.rmtree(repository / "tiny_torchscript")
    return repository


@pytest.fixture(scope="module")
def server(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """One for all tests after which it is as good as new."""
    repository = tmp_path_factory.mktemp("supervised") / "model_repository"
    shutil.copytree(tiny_repository / "tiny_onnx", repository / "tiny_onnx")
    with TritonServer(repository) as server:
        yield server
        directory, family = of(server)
    assert traces(directory, *family) == []


def test_a_stub_that_was_killed_is_replaced_and_a_client_loses_nothing(server: TritonServer) -> None:
    with supervised(server) as found:
        with client_at_work(found.server):
            found.stub().kill()
            found.heals()
        assert found.told[0] == "tiny_onnx: its process ended; it is loaded again"
        assert 'tritonrepo_model_recoveries_total{model="tiny_onnx"} 1\n' in write_metrics(found.supervisor)
        assert "tritonrepo_server_restarts_total 0\n" in write_metrics(found.supervisor)
        assert infer(found.server, "tiny_onnx", BATCH).shape == (1, 10)


def test_a_stub_that_stands_still_is_killed_and_replaced(server: TritonServer) -> None:
    with supervised(server) as found:
        stub = found.stub()
        with client_at_work(found.server):
            stub.suspend()
            found.heals()
        assert not stub.is_running() or stub.status() == psutil.STATUS_ZOMBIE


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


def test_a_server_that_was_killed_has_its_ports_again_and_a_client_loses_nothing(server: TritonServer) -> None:
    with supervised(server) as found:
        places = (found.server.http_url, found.server.grpc_url, found.server.metrics_url)
        with client_at_work(found.server):
            psutil.Process(found.server.pid).kill()
            found.tells("tritonserver answers again")
        assert (found.server.http_url, found.server.grpc_url, found.server.metrics_url) == places
        wait_until(lambda: found.supervisor.missing() == {})
        assert "tritonrepo_server_restarts_total 1\n" in write_metrics(found.supervisor)


def test_a_request_that_ends_tritonserver_is_answered_by_a_restart_with_its_cause(server: TritonServer) -> None:
    with supervised(server) as found:
        found.request_that_ends_it()
        found.tells("tritonserver answers again", 5.0)
        assert found.told[0] == (
            "tritonserver ended by itself with status 134 (SIGABRT): "
            "terminate called after throwing an instance of 'std::bad_alloc'; it is started again"
        )


def test_a_server_whose_guardian_was_killed_is_started_again_and_nothing_is_left(server: TritonServer) -> None:
    with supervised(server) as found:
        process, directory = psutil.Process(found.server.pid), found.server.directory
        guardian, family = process.parent(), [process, *process.children()]
        assert guardian is not None
        assert directory is not None
        guardian.kill()
        found.tells("tritonserver answers again")
        assert traces(directory, *family) == []


@pytest.mark.slow
def test_a_server_that_stands_still_is_ended_and_started_again(server: TritonServer) -> None:
    with supervised(server) as found:
        psutil.Process(found.server.pid).suspend()
        wait_until(lambda: not found.supervisor.is_ready())
        found.tells("tritonserver does not answer for 4 s, and is ended")
        found.tells("tritonserver answers again")


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
