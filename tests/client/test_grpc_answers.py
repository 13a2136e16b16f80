"""Hostile answers over gRPC: each is one named error."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from tests.conftest import wait_until
from tests.fuzz.hostile_grpc import answer, serving
from tritonrepo.client import grpc_transport
from tritonrepo.client.errors import DeadlineError, RequestError, ServerUnavailableError, TritonRepoError
from tritonrepo.client.transport import Inference, Transport

REQUEST = Inference("net", "INPUT__0", "OUTPUT__0", np.zeros((1, 3), np.float32), expected=2)
CLASSES = Inference("net", "INPUT__0", "OUTPUT__0", np.zeros((1, 3), np.float32), class_count=2, expected=2)
GOOD = struct.pack("<2f", 1.5, -2.0)


def test_a_right_answer_is_read() -> None:
    with serving(answer([1, 2], [GOOD])) as transport:
        assert transport.infer(REQUEST).values.tolist() == [[1.5, -2.0]]
        assert transport.infer(REQUEST).version == "1"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        answer([1, 2], []),
        answer([1, 2], [GOOD[:5]]),
        answer([1, 2], [b""]),
        answer([2, 2], [GOOD * 2]),
        answer([1, 1], [GOOD[:4]]),
        answer([-2, -1], [GOOD]),
        answer([4294967297, 3], [GOOD]),
        answer([], [GOOD]),
        answer([1, 2], [GOOD], datatype="FP31"),
        answer([1, 2], [GOOD], datatype=""),
        answer([1, 8], [GOOD], datatype="BOOL"),
        answer([1, 2], [struct.pack("<I", 4) + b"1:0:"], datatype="BYTES"),
        answer([1, 2], [struct.pack("<I", 2**32 - 1) + b"1:0:"], datatype="BYTES"),
        answer([1, 2], [GOOD], name="OTHER"),
    ],
)
def test_a_malformed_answer_is_one_request_error(message: bytes) -> None:
    with (
        serving(message) as transport,
        pytest.raises(RequestError, match=r"net answered (without|with some|OUTPUT__0 as)"),
    ):
        transport.infer(REQUEST)


def test_numbers_where_classes_were_asked_for_are_refused() -> None:
    with serving(answer([1, 2], [GOOD])) as transport, pytest.raises(RequestError, match="where classes were expected"):
        transport.infer(CLASSES)


@pytest.mark.parametrize("message", [b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f", b"<html>"])
@pytest.mark.parametrize(
    "question",
    [
        lambda transport: transport.infer(REQUEST),
        lambda transport: transport.server(),
        lambda transport: transport.models(),
        lambda transport: transport.config("net"),
        lambda transport: transport.statistics("net"),
    ],
    ids=["infer", "server", "models", "config", "statistics"],
)
def test_what_is_no_message_is_one_error(question: Callable[[Transport], object], message: bytes) -> None:
    with serving(message) as transport, pytest.raises(TritonRepoError):
        question(transport)


def test_an_empty_config_is_one_error() -> None:
    with serving(b"") as transport, pytest.raises(RequestError, match="is it Triton"):
        transport.config("net")


def test_an_answer_beyond_the_limit_is_refused_and_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = [(name, 1 << 20 if "receive" in name else value) for name, value in grpc_transport._OPTIONS]
    monkeypatch.setattr(grpc_transport, "_OPTIONS", smaller)
    with (
        serving(answer([1, 1 << 19], [bytes(1 << 21)])) as transport,
        pytest.raises(RequestError, match="answered with more bytes than are taken"),
    ):
        transport.infer(REQUEST)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, ServerUnavailableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ServerUnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineError),
        (grpc.StatusCode.INVALID_ARGUMENT, RequestError),
        (grpc.StatusCode.UNIMPLEMENTED, RequestError),
        (grpc.StatusCode.INTERNAL, RequestError),
    ],
)
def test_a_status_is_an_error_of_its_kind(code: grpc.StatusCode, kind: type[TritonRepoError]) -> None:
    def refuse(context: grpc.ServicerContext) -> bytes:
        context.abort(code, "\x1b[31mno")
        raise AssertionError

    with serving(refuse) as transport, pytest.raises(kind) as caught:
        transport.infer(REQUEST)
    assert "\x1b" not in str(caught.value)


class Held:
    """Keeps its answer back until it is let go, and notes whether the request was still wanted then."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.wanted: list[bool] = []

    def __call__(self, context: grpc.ServicerContext) -> bytes:
        self.asked.set()
        self.go.wait(20)
        self.wanted.append(context.is_active())
        return answer([1, 2], [GOOD])


def test_a_request_under_way_has_its_answer_before_the_connection_is_dropped() -> None:
    """A Triton before 25.04 may crash when it is cancelled."""
    held = Held()
    with serving(held) as transport, ThreadPoolExecutor(2) as pool:
        asked = pool.submit(transport.infer, REQUEST)
        held.asked.wait()
        closing = pool.submit(transport.close)
        assert isinstance(transport, grpc_transport.GrpcTransport)
        wait_until(lambda: transport._closed)
        with pytest.raises(ServerUnavailableError, match="the connection is closed"):
            transport.infer(REQUEST)
        assert not closing.done()
        held.go.set()
        assert asked.result().values.tolist() == [[1.5, -2.0]]
        closing.result()
    assert held.wanted == [True]


def test_a_request_that_is_never_answered_does_not_keep_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_transport, "LEAVE_SECONDS", 0.1)
    held = Held()
    with serving(held, deadline=60) as transport, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(transport.infer, REQUEST)
        held.asked.wait()
        began = time.monotonic()
        transport.close()
        with pytest.raises(ServerUnavailableError):
            asked.result()
        assert time.monotonic() - began < 10
        held.go.set()
