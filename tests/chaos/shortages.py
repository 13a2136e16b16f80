"""What a machine may run out of, and a clock that jumps: each is named while it lasts, and passes."""

import os
import resource
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.chaos.house import SHARED_MEMORY, filled, has_clock, step_clock
from tests.chaos.served import PICTURE, Served
from tests.conftest import wait_until
from tests.live.releases import MODEL
from tritonrepo.client import Classifier
from tritonrepo.client.errors import MissingError
from tritonrepo.serve.errors import PortTakenError
from tritonrepo.serve.ports import bind

HOUR = 3600.0
NAMED_WITHIN = 30.0


def fill_shared_memory(served: Served) -> float:
    """No room for the new process of a model whose own was killed."""
    with filled(SHARED_MEMORY) as fill:
        served.stub().kill()
        served.says("/dev/shm is full", NAMED_WITHIN, fill)
    return time.monotonic()


def fill_clients_shared_memory(served: Served) -> float:
    """No room for the pictures that a client hands over; it says so, and the next one works."""
    with filled(SHARED_MEMORY), pytest.raises(MissingError, match="shared memory is full"):
        classify_in_shared_memory(served)
    relief = time.monotonic()
    classify_in_shared_memory(served)
    return relief


def classify_in_shared_memory(served: Served) -> None:
    with Classifier(served.grpc_url, MODEL, shared_memory=True, patience=0.0) as classifier:
        assert [result.error for result in classifier.classify([PICTURE])] == [None]


def fill_disk(served: Served) -> float:
    """No room for the temporary directory of the next server."""
    with filled(Path(tempfile.gettempdir())) as fill:
        served.server().kill()
        served.says("no space is left on the disk of", NAMED_WITHIN, fill)
    return time.monotonic()


def take_files_of_server(served: Served) -> None:
    """tritonserver may open nothing more, no connection either."""
    limit_files(served.server().pid)
    served.says("it has opened all the", NAMED_WITHIN)


def take_files_of_serve(served: Served) -> float:
    """`serve` itself may open nothing more; the server and its model go on."""
    server, stub, limits = served.server(), served.stub(), limit_files(served.process.pid)
    served.says("this process may not open more than", NAMED_WITHIN)
    served.ask()
    resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE, limits)
    relief = time.monotonic()
    served.await_ready()
    assert (served.server(), served.stub()) == (server, stub), "something was started again that was well"
    return relief


def limit_files(process: int) -> tuple[int, int]:
    """Let a process open no more files; the limits that it had."""
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    return resource.prlimit(process, resource.RLIMIT_NOFILE, (3, before[1]))


def take_port(served: Served) -> float:
    """Another program takes the server's port before it is there again."""
    server, port = served.server(), served.ports["grpc"]
    os.kill(served.process.pid, signal.SIGSTOP)
    try:
        server.kill()
        found: list[socket.socket] = []
        wait_until(lambda: take(found, port))
    finally:
        os.kill(served.process.pid, signal.SIGCONT)
    with closing(found[0]):
        served.says(f"port {port} on 127.0.0.1 cannot be used", NAMED_WITHIN)
    return time.monotonic()


def take(found: list[socket.socket], port: int) -> bool:
    try:
        found.append(bind(port))
    except PortTakenError:
        return False
    return True


def step_hours(served: Served) -> float:
    """An hour forward, two back, and right again, with requests in between: nothing ends, nothing counts as dead."""
    family = [served.server(), served.stub()]
    assert all(has_clock(process.pid) for process in [*family, psutil.Process(served.process.pid)])
    try:
        for seconds in (HOUR, -HOUR, 0.0):
            step_clock(seconds)
            begin = time.monotonic()
            while time.monotonic() - begin < 2 * served.patience:
                served.ask()
                assert served.is_ready()
                time.sleep(0.05)
    finally:
        step_clock(0.0)
    assert family == [served.server(), served.stub()], "something was started again that was well"
    return time.monotonic()


SHORTAGES: dict[str, tuple[Callable[[Served], float | None], bool]] = {
    "shared memory full": (fill_shared_memory, False),
    "the client's shared memory full": (fill_clients_shared_memory, False),
    "disk full (TMPDIR)": (fill_disk, True),
    "the server's files used up": (take_files_of_server, True),
    "the files of `serve` used up": (take_files_of_serve, False),
    "port taken": (take_port, True),
    "clock stepped by an hour": (step_hours, False),
}
