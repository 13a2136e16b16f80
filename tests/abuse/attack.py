"""Send bad requests to a served repository, and see what becomes of it."""

import contextlib
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import grpc
import psutil

from tests.abuse.requests import GrpcRequest, HttpRequest, Request

ADDRESS = "127.0.0.1"
ANSWER_SECONDS = 30.0
PATIENCE = 0.3
"""Seconds for the answer to what may be no whole request."""
CHECKED_EVERY = 25
SLOW_CONNECTIONS = 50


@dataclass(frozen=True)
class Target:
    """A served repository.

    Attributes:
        http_port: Of the guard.
        grpc_port: Of tritonserver.
        is_right: Whether the server is ready and gives a known picture its known scores.
        pid: Returns tritonserver's process; another one after a restart.
    """

    http_port: int
    grpc_port: int
    is_right: Callable[[], bool]
    pid: Callable[[], int]


@dataclass
class Outcome:
    """What became of the requests of one kind.

    Attributes:
        answers: How often which answer came: an HTTP status, a gRPC code, `closed` (the connection) or `silence`.
        let_in: How many closed requests were answered with success.
        ended: How many requests ended tritonserver.
    """

    answers: Counter[str] = field(default_factory=Counter)
    let_in: int = 0
    ended: int = 0


@dataclass
class Result:
    """What an attack found.

    Attributes:
        outcomes: By kind.
        recoveries: Seconds until the server was right again, for each time that it ended.
        wrong: How often it was not right although it had not ended.
        memory: MiB of the server and its stubs, at the start and at the end.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    wrong: int = 0
    memory: tuple[float, float] = (0.0, 0.0)


def attack(target: Target, requests: Iterable[Request]) -> Result:
    """Send the requests one after the other, beside connections that hardly send anything."""
    result = Result()
    with slow_connections(target.http_port), grpc.insecure_channel(f"{ADDRESS}:{target.grpc_port}") as channel:
        before = memory(target.pid())
        for number, request in enumerate(requests, 1):
            pid = target.pid()
            outcome = result.outcomes.setdefault(request.kind, Outcome())
            answer = send_http(target, request) if isinstance(request, HttpRequest) else send_grpc(channel, request)
            outcome.answers[answer] += 1
            outcome.let_in += request.closed and answer in ("200", "OK")
            if answer in ("closed", "503", "UNAVAILABLE") or number % CHECKED_EVERY == 0:
                check(target, pid, outcome, result)
        result.memory = (before, memory(target.pid()))
    return result


def check(target: Target, pid: int, outcome: Outcome, result: Result) -> None:
    """Note whether the server still is what it was, and how long a new one takes."""
    start = time.monotonic()
    if target.is_right() and target.pid() == pid:
        return
    ended = not psutil.pid_exists(pid) or target.pid() != pid
    outcome.ended += ended
    result.wrong += not ended
    while not target.is_right():
        if time.monotonic() - start > ANSWER_SECONDS:
            raise AssertionError(f"not right again within {ANSWER_SECONDS:g} s")
        time.sleep(0.05)
    result.recoveries.append(time.monotonic() - start)


def send_http(target: Target, request: HttpRequest) -> str:
    """The status of the answer, `closed` if none came, `silence` after a long wait.

    `waits for more`, if the request may not be whole.
    """
    with contextlib.suppress(ConnectionError), socket.create_connection((ADDRESS, target.http_port)) as connection:
        connection.settimeout(ANSWER_SECONDS)
        with contextlib.suppress(ConnectionError):  # It may be refused before all of it is sent.
            connection.sendall(request.data)
        if not request.whole and not select.select([connection], [], [], PATIENCE)[0]:
            return "waits for more"
        try:
            answer = connection.recv(4096)
        except TimeoutError:
            return "silence"
        words = answer.split(b" ", 2)
        return words[1].decode(errors="replace") if len(words) > 1 else "closed"
    return "closed"


def send_grpc(channel: grpc.Channel, request: GrpcRequest) -> str:
    """The code of the answer."""
    call = channel.unary_unary(f"/inference.GRPCInferenceService/{request.method}")
    try:
        call(request.data, timeout=ANSWER_SECONDS)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


@contextlib.contextmanager
def slow_connections(port: int) -> Iterator[None]:
    """Hold connections that have sent the start of a header and nothing more."""
    with contextlib.ExitStack() as stack:
        for _ in range(SLOW_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection((ADDRESS, port)))
            connection.sendall(b"POST /v2 HTTP/1.1\r\nHost: loc")
        yield


def memory(pid: int) -> float:
    """MiB of a server and its stubs: what each has for itself alone, and its share of the rest."""
    server = psutil.Process(pid)
    return float(sum(process.memory_full_info().pss for process in (server, *server.children(recursive=True))) / 2**20)
