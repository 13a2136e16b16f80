"""A start that crashes, as Triton 2.51 sometimes does when a model's warm-up fails while others load."""

import os
import signal
import threading
from pathlib import Path

import psutil
import pytest

from tests.conftest import traces, wait_until
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live


@pytest.mark.slow
def test_a_server_that_crashes_while_it_starts_is_started_again(tiny_onnx_repository: Path) -> None:
    server = TritonServer(tiny_onnx_repository)
    crashed: list[tuple[Path, psutil.Process]] = []

    def crash() -> None:
        wait_until(lambda: server.pid)
        assert server.directory is not None
        crashed.append((server.directory, psutil.Process(server.pid)))
        os.kill(server.pid, signal.SIGSEGV)

    thread = threading.Thread(target=crash)
    thread.start()
    with server:
        thread.join()
        ((directory, process),) = crashed
        assert server.pid != process.pid
        assert [status.state for status in server.models()] == ["READY"]
    assert traces(directory, process) == []
