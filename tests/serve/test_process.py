"""How the embedded Triton starts and ends: it leaves nothing behind, whoever dies first."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton_grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from tests.conftest import traces, wait_until
from tests.serve.tiny import infer, regions
from tritonrepo.serve.errors import ServerDiedError, StartError
from tritonrepo.serve.health import ENDED
from tritonrepo.serve.probe import Prober
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

SLOW_MODEL = """
import time
from pathlib import Path
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.mark = Path(args["model_repository"], "executing")

    def execute(self, requests):
        self.mark.touch()
        time.sleep(1.5)
        return [pb_utils.InferenceResponse(request.inputs()) for request in requests]
"""


SLOW_CONFIG = """
name: "slow" backend: "python" max_batch_size: 0
input { name: "X" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "X" data_type: TYPE_FP32 dims: [ 1 ] }
"""


def processes(server: TritonServer) -> list[psutil.Process]:
    """The server, its guardian and its stubs."""
    process = psutil.Process(server.pid)
    guardian = process.parent()
    assert guardian is not None
    assert "guardian" in " ".join(guardian.cmdline())
    return [guardian, process, *process.children(recursive=True)]


def test_a_port_that_is_lost_at_the_start_ends_with_the_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Only Triton hears of this port, so that it finds it taken after our own check.
        server = TritonServer(tmp_path, extra_args=[f"--http-port={listener.getsockname()[1]}"])
        with pytest.raises(StartError, match=r"ended with status 1 at its start; the cause, .*:\n.*already in use"):
            server.start()
    assert server.directory is not None
    assert traces(server.directory) == []


def test_a_server_that_is_not_ready_in_time_is_ended(tiny_repository: Path) -> None:
    server = TritonServer(tiny_repository, ready_timeout=0.1)
    with pytest.raises(StartError, match=r"not ready within 0\.1 s"):
        server.start()
    assert server.directory is not None
    assert traces(server.directory) == []


def test_a_temporary_directory_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tiny_repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(StartError, match=r"no temporary directory .*; set TMPDIR to one that can be written"):
        TritonServer(tiny_repository).start()


def test_stopping_answers_what_is_in_flight_and_leaves_nothing(repository: Path) -> None:
    slow = repository / "slow"
    (slow / "1").mkdir(parents=True)
    (slow / "config.pbtxt").write_text(SLOW_CONFIG)
    (slow / "1" / "model.py").write_text(SLOW_MODEL)
    shutil.rmtree(repository / "tiny_torchscript")
    answers: list[NDArray[np.float32]] = []
    with TritonServer(repository) as server:
        assert server.directory is not None
        started = processes(server)
        assert regions(server) == 2
        client = triton_grpc.InferenceServerClient(server.grpc_url)
        tensor = triton_grpc.InferInput("X", [1], "FP32").set_data_from_numpy(np.array([7], np.float32))
        client.async_infer("slow", [tensor], lambda result, error: answers.append(result.as_numpy("X")))
        wait_until((slow / "executing").exists)
    assert len(started) == 4
    assert traces(server.directory, *started) == []
    client.close()
    assert [list(answer) for answer in answers] == [[7]]
    assert "successfully unloaded 'slow'" in server.log()


def kill_server(server: TritonServer) -> None:
    os.kill(server.pid, signal.SIGKILL)


def kill_guardian(server: TritonServer) -> None:
    processes(server)[0].kill()


def test_a_server_that_dies_is_reported_and_cleaned_up_after(repository: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    server = TritonServer(repository)
    server.start()
    assert server.directory is not None
    started = processes(server)
    server.wait(timeout=0.01)
    kill_server(server)
    with pytest.raises(ServerDiedError, match=r"ended by itself with status 137 .SIGKILL.*; the end of its log:"):
        server.wait()
    assert traces(server.directory, *started) == []
    server.stop()


def test_nothing_is_left_of_a_server_whose_guardian_was_killed(repository: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    server = TritonServer(repository)
    server.start()
    started = processes(server)
    kill_guardian(server)
    server.stop()
    assert server.directory is not None
    assert traces(server.directory, *started) == []


def test_stopping_does_not_wait_for_a_stub_that_died(repository: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    with TritonServer(repository) as server:
        processes(server)[2].kill()
        began = time.monotonic()
    # Triton would wait for it as long as it may: 30 s.
    assert time.monotonic() - began < 15


def test_temporary_files_of_the_stubs_go_with_the_server(repository: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    with TritonServer(repository) as server:
        assert server.directory is not None
        environments = [process.environ()["TMPDIR"] for process in processes(server)[1:]]
        assert environments == [str(server.directory / "tmp")] * 2


OWNER = """
import sys
from pathlib import Path
from tritonrepo.serve.triton import TritonServer

server = TritonServer(Path(sys.argv[1]))
server.start()
print(server.pid, server.directory, flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_nothing_is_left_of_a_server_whose_owner_was_killed(repository: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    command = [sys.executable, "-c", OWNER, str(repository)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, directory = owner.stdout.readline().split()
        process = psutil.Process(int(pid))
        guardian = process.parent()
        assert guardian is not None
        started = [guardian, process, *process.children(recursive=True)]
        owner.kill()
    assert len(started) == 3
    wait_until(lambda: traces(Path(directory), *started) == [])


def test_a_dead_stub_fails_its_model_alone_until_a_newer_artifact_is_loaded(
    repository: Path, batch: NDArray[np.float32]
) -> None:
    shutil.copytree(repository / "tiny_onnx", repository / "other_onnx")
    config = repository / "other_onnx" / "config.pbtxt"
    config.write_text(config.read_text().replace("tiny_onnx", "other_onnx"))
    shutil.rmtree(repository / "tiny_torchscript")
    # Triton waits for the dead stub as long as it is allowed to.
    with TritonServer(repository, stop_grace=2) as server:
        started = processes(server)
        (stub,) = [process for process in started[2:] if "tiny_onnx" in " ".join(process.cmdline())]
        stub.kill()
        with pytest.raises(InferenceServerException, match="is not healthy"):
            infer(server, "tiny_onnx", batch)
        assert Prober(server, 2.0).find_fault("tiny_onnx", ["1"]) == ENDED  # The same words as who sees it end.
        expected = infer(server, "other_onnx", batch)
        (repository / "tiny_onnx" / "1" / "model.onnx").touch()
        server.load("tiny_onnx")
        np.testing.assert_array_equal(infer(server, "tiny_onnx", batch), expected)
        started = list({*started, *processes(server)})
    assert server.directory is not None
    assert traces(server.directory, *started) == []


def test_servers_side_by_side_do_not_touch_each_other(
    tiny_server: TritonServer, repository: Path, batch: NDArray[np.float32]
) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    before = regions(tiny_server)
    assert before >= 2
    with TritonServer(repository, extra_args=["--log-info=false"]) as other:
        assert other.http_port != tiny_server.http_port
        np.testing.assert_array_equal(infer(other, "tiny_onnx", batch), infer(tiny_server, "tiny_onnx", batch))
        assert "successfully loaded" not in other.log()
    assert regions(tiny_server) == before
    assert infer(tiny_server, "tiny_onnx", batch).shape == (3, 10)
