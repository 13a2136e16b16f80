"""A long load on one model, while others come and go; what it answered, how fast, and what became of the memory."""

import collections
import gc
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import psutil
from numpy.typing import NDArray

from tests.conftest import beside
from tritonrepo.client.connection import Connection
from tritonrepo.client.errors import ModelUnavailableError, TritonRepoError
from tritonrepo.client.transport import Inference, Transport, open_transport
from tritonrepo.serve.triton import TritonServer

WARM_UP = 0.1
"""The share of the requests after which memory is first looked at."""
PASSER_BY = 16
"""Every so many requests one goes to the model that comes and goes."""


@dataclass
class Soak:
    """What was seen.

    Attributes:
        seconds: Of each request to the model that stays, in the order of their ends.
        errors: Messages of requests that failed and should not have.
        wrong: How many answers were not the known one.
        away: Requests to the other model that found it unloaded.
        changes: How often the other model was loaded or unloaded.
        memory: MiB by name, after the warm-up, half way from there, and at the end.
    """

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wrong: int = 0
    away: int = 0
    changes: int = 0
    memory: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    def p99(self, part: int, parts: int = 10) -> float:
        """The 99th percentile of a part of the requests, in ms; parts are counted from 0."""
        size = len(self.seconds) // parts
        return float(np.percentile(self.seconds[part * size : (part + 1) * size], 99)) * 1000


class Worker:
    """Asks for predictions; used from many threads."""

    def __init__(self, transports: Sequence[Transport], models: tuple[str, str], images: NDArray[np.float32]) -> None:
        """Ask once for what each image's answer is to be.

        Args:
            transports: To the server, in turns.
            models: The model that stays, and the one that comes and goes: the same network.
            images: FP32 `[N, 3, H, W]`.
        """
        self.soak = Soak()
        self._transports, self._models, self._images = transports, models, images
        self._known = [self._infer(transports[0], models[0], index) for index in range(len(images))]

    def ask(self, number: int) -> None:
        """Send the request of this number, and note what became of it."""
        passing = number % PASSER_BY == 0
        index = number % len(self._images)
        start = time.perf_counter()
        try:
            scores = self._infer(self._transports[number % len(self._transports)], self._models[passing], index)
        except ModelUnavailableError as error:
            if passing:
                self.soak.away += 1
            else:
                self.soak.errors.append(str(error))
            return
        except TritonRepoError as error:
            self.soak.errors.append(str(error))
            return
        if not passing:
            self.soak.seconds.append(time.perf_counter() - start)
        self.soak.wrong += not np.allclose(scores, self._known[index], atol=1e-3)

    def _infer(self, transport: Transport, model: str, index: int) -> NDArray[np.float32]:
        image = self._images[index : index + 1]
        answer = transport.infer(Inference(model, "INPUT__0", "OUTPUT__0", image, expected=0))
        return np.asarray(answer.values, np.float32)


def soak(
    server: TritonServer, models: tuple[str, str], images: NDArray[np.float32], count: int, concurrency: int
) -> Soak:
    """Send `count` requests over both protocols, while the second model is loaded and unloaded without a pause."""
    connections = {"grpc": server.grpc_url, "http": server.http_url}
    transports = [open_transport(url, Connection(protocol=name)) for name, url in connections.items()]
    worker = Worker(transports, models, images)
    ended = threading.Event()
    change = partial(come_and_go, server, models[1], ended, worker.soak)
    first = int(count * WARM_UP)
    half = (first + count) // 2
    with ThreadPoolExecutor(concurrency) as pool, beside(change, ended):
        looks = []
        for start, end in ((0, first), (first, half), (half, count)):
            run(pool, worker.ask, range(start, end), concurrency)
            looks.append(memory(server))
    warm, middle, last = looks
    worker.soak.memory = {name: (warm[name], middle[name], last[name]) for name in warm}
    for transport in transports:
        transport.close()
    return worker.soak


def run(pool: ThreadPoolExecutor, ask: Callable[[int], None], numbers: range, concurrency: int) -> None:
    """Ask for all of them, and return when the last has been answered.

    No more than `concurrency` are in the pool, so that this process holds as much at the end as at the beginning.
    """
    waiting: collections.deque[Future[None]] = collections.deque()
    for number in numbers:
        if len(waiting) == concurrency:
            waiting.popleft().result()
        waiting.append(pool.submit(ask, number))
    for future in waiting:
        future.result()


def come_and_go(server: TritonServer, model: str, ended: threading.Event, seen: Soak) -> None:
    """Unload and load a model until told to end; it is loaded then."""
    for change in itertools.cycle((server.unload, server.load)):
        change(model)
        seen.changes += 1
        if ended.wait(1.0) and change == server.load:
            return


def memory(server: TritonServer) -> dict[str, float]:
    """MiB of the server, the stub of the model that stays, and this process: its own, and its share of the rest."""
    gc.collect()
    process = psutil.Process(server.pid)
    stub = min(process.children(recursive=True), key=lambda child: float(child.create_time()))
    return {
        "server": process.memory_full_info().pss / 2**20,
        "stub": stub.memory_full_info().pss / 2**20,
        "client": psutil.Process().memory_full_info().pss / 2**20,
    }
