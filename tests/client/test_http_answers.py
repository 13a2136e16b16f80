"""Hostile answers over HTTP: each is one named error, in bounded time and memory."""

from __future__ import annotations

import json
import socket
import struct
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fuzz.hostile import HostileServer, Script, bomb, response, sending, trickling
from tritonrepo.client.connection import Connection
from tritonrepo.client.contract import read_contract
from tritonrepo.client.errors import ContractError, DeadlineError, RequestError, ServerUnavailableError, TritonRepoError
from tritonrepo.client.failover import Servers
from tritonrepo.client.messages import LARGEST_ANSWER, answer_limit
from tritonrepo.client.transport import Inference, Transport, open_transport

REQUEST = Inference("net", "INPUT__0", "OUTPUT__0", np.zeros((1, 3), np.float32), expected=2)
CLASSES = Inference("net", "INPUT__0", "OUTPUT__0", np.zeros((1, 3), np.float32), class_count=2, expected=2)


def binary(output: object, data: bytes, **more: object) -> bytes:
    """An answer in Triton's binary format, right or not."""
    head = json.dumps({"model_name": "net", "model_version": "1", "outputs": output, **more}).encode()
    return response(head + data, Inference_Header_Content_Length=str(len(head)))


def output(shape: object = (1, 2), datatype: str = "FP32", size: object = 8) -> list[dict[str, object]]:
    """The list of outputs with one of them."""
    parameters = {"binary_data_size": size}
    return [{"name": "OUTPUT__0", "datatype": datatype, "shape": shape, "parameters": parameters}]


def as_json(document: object) -> bytes:
    return response(json.dumps(document).encode())


GOOD = struct.pack("<2f", 1.5, -2.0)


def ask(script: Script, request: Inference = REQUEST, deadline: float = 10.0) -> NDArray[Any]:
    with HostileServer(script) as server:
        transport = open_transport(server.url, Connection("http", deadline=deadline))
        try:
            return transport.infer(request).values
        finally:
            transport.close()


def test_a_right_answer_is_read() -> None:
    assert ask(sending(binary(output(), GOOD))).tolist() == [[1.5, -2.0]]
    entries = b"".join(struct.pack("<I", len(text)) + text for text in (b"1.5:0:ant", b"-2:1:bee"))
    assert ask(sending(binary(output(datatype="BYTES", size=len(entries)), entries)), CLASSES)[0, 0] == b"1.5:0:ant"
    plain = {"name": "OUTPUT__0", "datatype": "FP32", "shape": [1, 2], "data": [1.5, -2.0]}
    assert ask(sending(as_json({"outputs": [plain]}))).tolist() == [[1.5, -2.0]]


@pytest.mark.parametrize(
    "answer",
    [
        binary(output(), GOOD[:5]),
        binary(output(), b""),
        binary(output(size=-8), GOOD),
        binary(output(size="8"), GOOD),
        binary(output(shape=[2, 2]), GOOD),
        binary(output(shape=[1, 1], size=4), GOOD),
        binary(output(shape=[-1, 2]), b"", more=1),
        binary(output(shape=[4294967297, 3]), GOOD),
        binary(output(shape="12"), GOOD),
        binary(output(datatype="BYTES"), struct.pack("<I", 4) + b"1:0:"),
        binary(output(datatype="BYTES"), struct.pack("<I", 2**32 - 1) + b"1:0:"),
        binary(output(datatype="FP31"), GOOD),
        binary(output(datatype="BOOL", shape=[1, 8]), GOOD),
        binary([], GOOD),
        binary([{"name": "OTHER"}], GOOD),
        binary(5, GOOD),
        binary([5], GOOD),
        binary({"name": "OUTPUT__0"}, GOOD),
        binary(output(), GOOD).replace(b"Length: ", b"Length: -"),
        as_json({"outputs": 5}),
        as_json({"outputs": None}),
        as_json({"outputs": [{"name": "OUTPUT__0", "datatype": "FP32", "shape": [1, 2], "data": ["a", {}]}]}),
        as_json([1, 2]),
        as_json(None),
        as_json("text"),
        response(b"[" * 200_000),
        response(b'{"outputs":[{"name":"OUTPUT__0","datatype":"FP32","shape":[1,2],"data":' + b"[" * 900 + b"1"),
        response(b"\xff\xfe\x00"),
        response(b"<html>hello</html>"),
        response(b""),
        response(b"{}", Inference_Header_Content_Length="12x"),
        response(b"{}", Inference_Header_Content_Length="99999999999999999999999"),
    ],
)
def test_a_malformed_answer_is_one_request_error(answer: bytes) -> None:
    with pytest.raises(RequestError, match=r"net answered (without OUTPUT__0|with something|OUTPUT__0 as )"):
        ask(sending(answer))


def test_numbers_where_classes_were_asked_for_are_refused() -> None:
    with pytest.raises(RequestError, match=r"OUTPUT__0 as float32 \[1, 2\], where classes were expected"):
        ask(sending(binary(output(), GOOD)), CLASSES)


@pytest.mark.parametrize("bits", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_json_has_no_number_for_is_no_error_of_the_format(bits: bytes) -> None:
    """The decoder judges values, for every format alike."""
    head = b'{"outputs":[{"name":"OUTPUT__0","datatype":"FP32","shape":[1,2],"data":[1.0,' + bits + b"]}]}"
    assert not np.isfinite(ask(sending(response(head)))).all()


def test_the_size_of_an_answer_follows_from_the_request() -> None:
    packed = response(bomb(512 << 20), Content_Encoding="gzip")
    plain = response(b"x", Content_Length=str(1 << 40)) + bytes(64 << 20)
    for answer in (packed, plain):
        tracemalloc.start()
        with pytest.raises(RequestError, match="more than the 1,048,640 bytes that were expected"):
            ask(sending(answer))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 80 << 20  # The server's own copy is in it.


def test_a_promise_of_endless_classes_raises_no_limit() -> None:
    for count in (0, 1 << 40):
        assert answer_limit(replace(REQUEST, expected=1 << 40, class_count=count)) == LARGEST_ANSWER


def silent(connection: socket.socket, head: bytes) -> None:
    """Say nothing until the other side has had enough."""
    while connection.recv(1):
        pass


@pytest.mark.parametrize("slow", ["headers", "body", "chunks", "nothing"])
def test_the_deadline_is_for_the_whole_answer(slow: str) -> None:
    with HostileServer(silent) as server:
        data = {
            "headers": b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 100,
            "body": response(bytes(1000)),
            "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100,
        }
        if slow in data:
            server.script = trickling(data[slow], lambda: server.stopped)
        transport = open_transport(server.url, Connection("http", deadline=0.5))
        begin = time.monotonic()
        with pytest.raises(DeadlineError, match=r"no answer in 0\.5 s"):
            transport.infer(REQUEST)
        assert 0.4 < time.monotonic() - begin < 2
        transport.close()


def test_a_request_that_nobody_reads_meets_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = open_transport(f"127.0.0.1:{listener.getsockname()[1]}", Connection("http", deadline=0.5))
        begin = time.monotonic()
        with pytest.raises(DeadlineError):
            transport.infer(Inference("net", "INPUT__0", "OUTPUT__0", np.zeros((1, 16 << 20), np.float32)))
        assert time.monotonic() - begin < 3
        transport.close()


QUESTIONS: list[Callable[[Transport], object]] = [
    lambda transport: transport.server(),
    lambda transport: transport.models(),
    lambda transport: transport.config("net"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=["server", "models", "config"])
@pytest.mark.parametrize(
    "body", [b"5", b"[]", b"null", b'"x"', b"<html>", b"", b"[" * 200_000, b'{"a":' * 100_000, b"\xff", b"{}x"]
)
def test_an_answer_about_the_server_that_is_no_object_is_one_error(
    question: Callable[[Transport], object], body: bytes
) -> None:
    with HostileServer(sending(response(body))) as server:
        transport = open_transport(server.url, Connection("http", deadline=5))
        with pytest.raises(RequestError, match="is it Triton"):
            question(transport)
        transport.close()


@pytest.mark.parametrize("listed", [5, [5], [{}], [{"name": "x"}], {"a": 1}, [None], "text"])
def test_a_list_of_models_that_is_none_is_one_error(listed: object) -> None:
    with HostileServer(sending(as_json({"model_stats": listed}))) as server:
        transport = open_transport(server.url, Connection("http", deadline=5))
        with pytest.raises(RequestError, match="is it Triton"):
            transport.models()
        transport.close()


@pytest.mark.parametrize(
    "config",
    [
        {"parameters": 5},
        {"parameters": {"preprocessing": 5}},
        {"parameters": {"preprocessing": {"string_value": "[[["}}},
        {"parameters": {"preprocessing": {"string_value": "{}"}}, "input": 5},
        {"parameters": {"preprocessing": {"string_value": "{}"}}, "input": [5]},
        {"parameters": {"preprocessing": {"string_value": "{}"}}, "input": [{"dims": ["a"]}]},
        {"parameters": {"preprocessing": {"string_value": "{}"}}, "max_batch_size": "many"},
        {"parameters": {"preprocessing": {"string_value": "{}"}}, "max_batch_size": None},
    ],
)
def test_a_config_that_is_none_is_one_error(config: object) -> None:
    with HostileServer(sending(as_json(config))) as server:
        transport = open_transport(server.url, Connection("http", deadline=5))
        with pytest.raises(ContractError):
            read_contract(transport, "net")
        transport.close()


def test_a_redirect_is_named_and_not_followed() -> None:
    with pytest.raises(RequestError, match="redirects to http://elsewhere/, which is not followed"):
        ask(sending(response(b"", "301 Moved", Location="http://elsewhere/")))


@pytest.mark.parametrize("status", ["429 Slow down", "503 Busy"])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("9" * 400, 3600.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 3600.0),
        ("0", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read(status: str, header: str, seconds: float) -> None:
    with pytest.raises(ServerUnavailableError) as caught:
        ask(sending(response(b"", status, Retry_After=header)))
    assert caught.value.retry_after == seconds


def test_a_server_that_asks_for_a_rest_gets_it_and_the_work_is_done() -> None:
    answers = iter([response(b"", "503 Busy", Retry_After="1"), binary(output(), GOOD)])
    times: list[float] = []

    def script(connection: socket.socket, head: bytes) -> None:
        times.append(time.monotonic())
        connection.sendall(next(answers))

    with HostileServer(script) as server:
        servers = Servers([open_transport(server.url, Connection("http", deadline=5))])
        assert servers.infer(REQUEST).values.tolist() == [[1.5, -2.0]]
        servers.close()
    assert 1.0 <= times[1] - times[0] < 3


def test_retry_after_may_be_a_date() -> None:
    with pytest.raises(ServerUnavailableError) as caught:
        ask(sending(response(b"", "503 Busy", Retry_After=formatdate(time.time() + 100, usegmt=True))))
    assert 90 < caught.value.retry_after <= 101


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 200", b"HTTP/9", b"\x00" * 100, b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000]
)
def test_what_is_no_http_is_no_answer(data: bytes) -> None:
    with pytest.raises(TritonRepoError):
        ask(sending(data))


def test_an_error_s_text_is_safe_to_show_and_bounded() -> None:
    with pytest.raises(RequestError) as caught:
        ask(sending(response(json.dumps({"error": "\x1b[31mred" + "x" * 100_000}).encode(), "400 Bad")))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 3000
