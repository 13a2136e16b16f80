"""A start that waits for what the machine lacks, and not without end."""

import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.objectstore import CREDENTIALS
from tritonrepo.repository.store.address import Address
from tritonrepo.serve import revival
from tritonrepo.serve.errors import GivenUpError
from tritonrepo.serve.ports import bind
from tritonrepo.serve.revival import Revival
from tritonrepo.serve.triton import TritonServer


def test_a_port_that_stays_taken_is_given_up_with_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revival, "SHORTAGE_SECONDS", 1.0)
    told: list[str] = []
    with closing(bind(0)) as other:
        port = other.getsockname()[1]
        server = TritonServer(tmp_path, grpc_port=port)
        with pytest.raises(GivenUpError, match=f"not be started for 1 s: port {port} on 127.0.0.1 cannot be used"):
            Revival(server, told.append, threading.Event()).revive("by hand")
    ended, lack = told
    assert ended == "tritonserver ended by itself by hand; it is started again"
    assert lack.startswith(f"tritonserver cannot be started yet: port {port} on 127.0.0.1 cannot be used")


def test_who_does_not_want_the_server_any_more_does_not_wait(tmp_path: Path) -> None:
    stopped, found = threading.Event(), list[bool]()
    with closing(bind(0)) as other:
        care = Revival(TritonServer(tmp_path, grpc_port=other.getsockname()[1]), lambda sentence: None, stopped)
        thread = threading.Thread(target=lambda: found.append(care.revive("by hand")))
        thread.start()
        wait_until(lambda: care.hindrance)
        stopped.set()
        thread.join(10)
    assert found == [False]


def test_a_store_that_does_not_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revival, "SHORTAGE_SECONDS", 0.5)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    told: list[str] = []
    server = TritonServer(Address("s3", "bucket", "models", "http://127.0.0.1:1"))
    with pytest.raises(GivenUpError, match=r"not be started for 0\.5 s: s3://.*: nobody answers at http://127"):
        Revival(server, told.append, threading.Event()).revive("by hand")
    assert told[0] == "tritonserver ended by itself by hand; it is started again"
