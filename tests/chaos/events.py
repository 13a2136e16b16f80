"""What is done to a server at work, how long it takes to recover, and what a client has lost meanwhile."""

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pytest

from tests.chaos import house
from tests.chaos.served import PICTURE, Served
from tests.chaos.shortages import SHORTAGES
from tests.conftest import beside
from tests.live.releases import MODEL
from tritonrepo.client import Classifier
from tritonrepo.client.errors import TritonRepoError
from tritonrepo.client.server_key import key_headers
from tritonrepo.serve.errors import NoAnswerError
from tritonrepo.serve.questions import exchange
from tritonrepo.serve.revival import ENDS_WITHIN, MOST_ENDS

RECOVERS_WITHIN = 60.0
LEAVES_WITHIN = 30.0
SLOWEST_END = 15.0
"""Seconds from what ends a server to its end: one that stands still must be found first."""


RESTART = "`serve` killed, started again"


def kill_stub(served: Served) -> None:
    served.stub().kill()


def stop_stub(served: Served) -> None:
    served.stub().suspend()


def kill_server(served: Served) -> None:
    served.server().kill()


def stop_server(served: Served) -> None:
    served.server().suspend()


def kill_guardian(served: Served) -> None:
    served.guardian().kill()


def send_bomb(served: Served) -> None:
    """A request that ends tritonserver 2.51.0, past the guard."""
    shape = [1, 3, 65536, 65536]
    tensor = {"name": "INPUT__0", "shape": shape, "datatype": "FP32", "data": [1]}
    body, path = json.dumps({"inputs": [tensor]}).encode(), f"/v2/models/{MODEL}/infer"
    address, key = served.find_own_http()
    with suppress(NoAnswerError):
        exchange(address, "POST", path, body, key_headers(key), 10)


def kill_command(served: Served) -> None:
    """kill -9, and a new start at the same ports when all is gone."""
    served.process.send_signal(signal.SIGKILL)
    served.process.wait()
    deadline = time.monotonic() + LEAVES_WITHIN
    while served.left_behind() and time.monotonic() < deadline:
        time.sleep(0.05)
    served.start()


EVENTS: dict[str, tuple[Callable[[Served], float | None], bool]] = {
    "stub killed": (kill_stub, False),
    "stub stopped": (stop_stub, False),
    "server killed": (kill_server, True),
    "server stopped": (stop_server, True),
    "guardian killed": (kill_guardian, True),
    "a request that ends the server": (send_bomb, True),
    RESTART: (kill_command, False),
    **SHORTAGES,
}
"""What is done, and whether it counts as an end of the server. It returns when the cause passed, if that is later."""


@dataclass
class Row:
    """One kind of event.

    Attributes:
        done: How often.
        seconds: From the event, or from when its cause passed, to the first right answer, of each that recovered.
        wrong: What was not named as it should be, or did not stay as it was.
        left: What was left behind.
    """

    done: int = 0
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def cells(self) -> list[str]:
        times = [f"{median(self.seconds):.1f}", f"{max(self.seconds):.1f}"] if self.seconds else ["", ""]
        return [str(self.done), str(len(self.seconds)), *times, str(len(self.wrong)), str(len(self.left))]

    @property
    def is_sound(self) -> bool:
        """Whether all went as it should."""
        return self.done == len(self.seconds) and not (self.wrong or self.left)


@dataclass
class Work:
    """What a client saw whose every request was to be answered."""

    answers: int = 0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)


@contextmanager
def at_work(served: Served, expected: float) -> Iterator[Work]:
    """A client that classifies one picture after the other."""
    work, done = Work(), threading.Event()

    def run() -> None:
        with Classifier(served.grpc_url, MODEL) as classifier:
            while not done.is_set():
                for result in classifier.classify([PICTURE] * 4):
                    work.answers += 1
                    if result.error is not None:
                        work.errors.append(result.error)
                    elif abs(float(result.predictions[0].probability or 0) - expected) > 1e-5:
                        work.wrong += 1

    with beside(run, done):
        yield work


def raise_chaos(
    repository: Path, seed: int, names: Iterable[str], patience: int
) -> tuple[dict[str, Row], Work, list[str]]:
    """Do these events, in a random order, to a server at work.

    Returns:
        The rows, what the client saw, and what was left at the end.
    """
    before = house.contents()
    dice, served = random.Random(seed), Served(repository, repository.parent / "screen", patience)
    names = list(names)
    rows = {name: Row() for name in names}
    dice.shuffle(names)
    served.start()
    try:
        with at_work(served, served.ask()) as work:
            ends: list[float] = []
            for name in names:
                await_room(ends, EVENTS[name][1])
                time.sleep(dice.uniform(0.0, 1.0))
                do(served, name, rows[name])
                if name == RESTART:
                    ends.clear()
    finally:
        served.end()  # Also after a failure of ours.
    return rows, work, [*served.left_behind(), *map(str, house.contents() - before)]


def await_room(ends: list[float], is_end: bool) -> None:
    """Wait until another end is not one too many: `serve` would give up, as it should."""
    while is_end and len([end for end in ends if time.monotonic() - end < ENDS_WITHIN + SLOWEST_END]) >= MOST_ENDS - 1:
        time.sleep(0.5)
    if is_end:
        ends.append(time.monotonic())


def do(served: Served, name: str, row: Row) -> None:
    """Do one event and wait until the server answers again."""
    row.done += 1
    served.mark()
    start = time.monotonic()
    try:
        start = EVENTS[name][0](served) or start
    except (AssertionError, pytest.fail.Exception) as error:
        row.wrong.append(f"{name}: {error}")
    await_answer(served, row, start)
    served.check_alive()
    while not served.is_ready() and time.monotonic() - start < RECOVERS_WITHIN:
        time.sleep(0.05)
    row.left += served.left_behind()
    served.note()


def await_answer(served: Served, row: Row, start: float) -> None:
    """Note how long after `start` there is an answer again."""
    while time.monotonic() - start < RECOVERS_WITHIN:
        try:
            served.ask()
        except TritonRepoError:
            time.sleep(0.05)
        else:
            row.seconds.append(time.monotonic() - start)
            return
