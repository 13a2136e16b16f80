"""A server with a supervisor at work, and a client that must lose nothing."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.conftest import ShortLived, beside, traces, wait_until
from tritonrepo.client import Classifier
from tritonrepo.serve.errors import NoAnswerError
from tritonrepo.serve.questions import exchange
from tritonrepo.serve.supervisor import Care, Supervisor
from tritonrepo.serve.triton import TritonServer

HEALS_WITHIN = 15.0
QUICK = Care(interval=1.0, patience=2.0)


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

    with beside(work, done):
        wait_until(lambda: answers)
        yield
        count = len(answers)
        wait_until(lambda: len(answers) > count + 4)
    assert set(answers) == {None}
