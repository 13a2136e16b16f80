"""A guarded server, as `tritonrepo serve` starts it, to be attacked."""

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.abuse.attack import ADDRESS, Target
from tests.abuse.requests import INFER
from tests.conftest import TINY_SIDE, ShortLived
from tritonrepo.serve.door import Door
from tritonrepo.serve.guard import Guard
from tritonrepo.serve.supervisor import Supervisor
from tritonrepo.serve.triton import TritonServer

PICTURE = json.dumps(
    {
        "inputs": [
            {
                "name": "INPUT__0",
                "datatype": "FP32",
                "shape": [1, 3, TINY_SIDE, TINY_SIDE],
                "data": [index % 7 / 7 for index in range(3 * TINY_SIDE**2)],
            }
        ]
    }
).encode()


def scores(port: int) -> list[float] | None:
    """What the model says of the picture; None where there is no such answer."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=10)
    try:
        connection.request("POST", INFER, PICTURE)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return [round(score, 5) for score in json.loads(body)["outputs"][0]["data"]] if answer.status == 200 else None


@contextlib.contextmanager
def served(repository: Path) -> Iterator[Target]:
    """Serve the tiny repository until the block ends."""
    with (
        ShortLived(repository, door=Door()) as server,
        Guard(lambda: (server.http_url, server.key), Door(), 0) as guard,
        supervised(server),
    ):
        known = scores(guard.port)
        assert known is not None
        yield Target(guard.port, server.grpc_port, lambda: scores(guard.port) == known, lambda: server.pid)


@contextlib.contextmanager
def supervised(server: TritonServer) -> Iterator[None]:
    """Let a supervisor start the server again when it ends."""
    supervisor = Supervisor(server, lambda _: None)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield
    finally:
        supervisor.stop()
        thread.join()
