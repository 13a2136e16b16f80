"""A server that heals: stubs and servers that die or hang, with the real Triton and clients at work."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.conftest import TINY_SIDE, traces, wait_until
from tests.serve.tiny import infer
from tests.serve.watched import client_at_work, of, supervised
from tritonrepo.serve.pages import write_metrics
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

BATCH = np.zeros((1, 3, TINY_SIDE, TINY_SIDE), np.float32)


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
