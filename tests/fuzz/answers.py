"""A hostile server, asked for predictions and for pictures over HTTP."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import numpy as np

from tests.fuzz.hostile import HostileServer, Script, bomb, response, sending, trickling
from tests.fuzz.hostile_grpc import answer, serving
from tests.fuzz.pictures import note
from tests.fuzz.tally import Tally
from tests.fuzz.worker import Outcome, peak_memory
from tritonrepo.client.connection import Connection
from tritonrepo.client.decode import top
from tritonrepo.client.errors import TritonRepoError
from tritonrepo.client.fetch import fetch
from tritonrepo.client.images import open_image
from tritonrepo.client.transport import Inference, Transport, open_transport

CLASSES = 10
DEADLINE = 1.0
GRACE = 2.0
"""Seconds beyond the deadline after which it is a hang."""
_REQUEST = Inference("net", "INPUT__0", "OUTPUT__0", np.zeros((1, 3), np.float32), expected=CLASSES)
_LABELS = [str(number) for number in range(CLASSES)]
MakeMessage = Callable[[random.Random, bytes, grpc.ServicerContext], bytes]
Make = Callable[[random.Random, threading.Event], Script]


def hostile_answers(seed: int, count: int) -> Iterator[Tally]:
    """Yield a row for each kind of answer and question; `count` of each, fewer of those that take their time."""
    for purpose, ask in (("predictions", _ask_for_predictions), ("a picture", _ask_for_a_picture)):
        for kind, make in KINDS.items():
            chance = random.Random(f"{seed} {purpose} {kind}")
            row = Tally(f"{purpose}: {kind}")
            for _ in range(max(1, count // 10) if kind in _SLOW else count):
                note(row, _outcome(chance, make, ask))
            yield row


def hostile_grpc_answers(seed: int, count: int) -> Iterator[Tally]:
    """Yield a row for damaged answers and one for those of each status, over gRPC."""
    data = np.arange(CLASSES, dtype=np.float32).tobytes()
    for kind, make in (("damaged bytes", _damaged_message), ("statuses", _status)):
        chance = random.Random(f"{seed} gRPC {kind}")
        row = Tally(f"predictions over gRPC: {kind}")

        def handle(context: grpc.ServicerContext, make: MakeMessage = make, chance: random.Random = chance) -> bytes:
            return make(chance, answer([1, CLASSES], [data]), context)

        with serving(handle, DEADLINE) as transport:
            for _ in range(count):
                note(row, _tried(lambda: _predict(transport)))
        yield row


def _outcome(chance: random.Random, make: Make, ask: Callable[[str], None]) -> Outcome:
    with HostileServer(sending(b"")) as server:
        server.script = make(chance, server.stopped)
        return _tried(lambda: ask(server.url))


def _tried(ask: Callable[[], None]) -> Outcome:
    begin = time.monotonic()
    try:
        ask()
        kind, text = "usable", ""
    except TritonRepoError as exc:
        kind, text = "named", str(exc)
    except Exception as exc:
        kind, text = "traceback", f"{type(exc).__name__}: {exc}"
    seconds = time.monotonic() - begin
    return Outcome("hang" if seconds > DEADLINE + GRACE else kind, text, seconds, peak_memory())


def _ask_for_predictions(url: str) -> None:
    transport = open_transport(url, Connection("http", deadline=DEADLINE))
    try:
        _predict(transport)
    finally:
        transport.close()


def _predict(transport: Transport) -> None:
    top(transport.infer(_REQUEST).values.reshape(-1), _LABELS, 5)


def _ask_for_a_picture(url: str) -> None:
    open_image(fetch(f"http://{url}/picture.jpg", deadline=DEADLINE))


def _good(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None = None, **head: object) -> bytes:
    data = np.arange(CLASSES, dtype=np.float32) if values is None else values
    parameters = {"binary_data_size": data.nbytes}
    output = {"name": "OUTPUT__0", "datatype": "FP32", "shape": [1, CLASSES], "parameters": parameters, **head}
    text = json.dumps({"model_name": "net", "model_version": "1", "outputs": [output]}).encode()
    return response(text + data.tobytes(), Inference_Header_Content_Length=str(len(text)), Content_Type="image/jpeg")


def _damaged(chance: random.Random, stopped: threading.Event) -> Script:
    data = bytearray(_good())
    for _ in range(chance.choice((1, 3, 20))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return sending(bytes(data))


def _damaged_message(chance: random.Random, message: bytes, context: grpc.ServicerContext) -> bytes:
    data = bytearray(message)
    for _ in range(chance.choice((1, 3, 20))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])


def _status(chance: random.Random, message: bytes, context: grpc.ServicerContext) -> bytes:
    code = chance.choice([code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
    context.abort(code, chance.choice(("", "\x1b[31mno", "x" * 5000, "é\n\n")))
    raise AssertionError


def _half(chance: random.Random, stopped: threading.Event) -> Script:
    data = _good()
    return sending(data[: chance.randrange(len(data))])


def _reset(chance: random.Random, stopped: threading.Event) -> Script:
    data = _good()
    place = chance.randrange(len(data))

    def script(connection: socket.socket, _: bytes) -> None:
        connection.sendall(data[:place])
        # Closing is a reset then.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return script


def _shapes(chance: random.Random, stopped: threading.Event) -> Script:
    extremes = (0, -1, 1, 2, 2**31, 2**32 + 1, 2**63, 10**30, 1.5, None, "10", [10])
    shape = [chance.choice(extremes) for _ in range(chance.randrange(5))]
    return sending(_good(shape=shape, datatype=chance.choice(("FP32", "FP32", "FP16", "BYTES", "INT64", "X"))))


def _no_numbers(chance: random.Random, stopped: threading.Event) -> Script:
    values = np.zeros(CLASSES, np.float32)
    values[chance.randrange(CLASSES)] = chance.choice((np.nan, np.inf))
    return sending(_good(values))


def _page(chance: random.Random, stopped: threading.Event) -> Script:
    status = chance.choice(("200 OK", "404 Not Found", "500 Oops", "502 Bad Gateway", "999 What", "204 Nothing"))
    return sending(response(b"<html>\x1b[31m" * chance.randrange(1000), status, Content_Type="text/html"))


def _redirect(chance: random.Random, stopped: threading.Event) -> Script:
    place = chance.choice(
        ("file:///etc/passwd", "/", "gopher://x/", "http://[", "", "ftp://127.0.0.1/", "//", "data:,x")
    )
    return sending(response(b"", chance.choice(("301 A", "302 B", "307 C", "308 D", "300 E")), Location=place))


def _later(chance: random.Random, stopped: threading.Event) -> Script:
    when = chance.choice(("0", "3600", "-1", "soon", "9" * 400, "Wed, 21 Oct 2099 07:28:00 GMT", "1e400", "٣"))
    data = response(b"", chance.choice(("429 Slow", "503 Busy")), Retry_After="X")
    return sending(data.replace(b"Retry-After: X", f"Retry-After: {when}".encode()))


def _bomb(chance: random.Random, stopped: threading.Event) -> Script:
    return sending(response(bomb(256 << 20), Content_Encoding="gzip", Content_Type="image/jpeg"))


def _endless(chance: random.Random, stopped: threading.Event) -> Script:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
    data = chance.choice(
        (
            head + b"X: y\r\n" * 500,
            b"H" * 2000,
            head + b"\r\n" + bytes(2000),
            head + b"Transfer-Encoding: chunked\r\n\r\n",
        )
    )
    return trickling(data + b"1\r\nx\r\n" * 500, lambda: stopped, 0.02)


def _garbage(chance: random.Random, stopped: threading.Event) -> Script:
    begin = chance.choice((b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
    return sending(begin + chance.randbytes(chance.randrange(3000)))


def _nested(chance: random.Random, stopped: threading.Event) -> Script:
    body = chance.choice((b"[", b'{"a":', b'{"outputs":[')) * chance.choice((10, 900, 200_000))
    return sending(response(body, Content_Type=chance.choice(("application/json", "image/jpeg"))))


KINDS: dict[str, Make] = {
    "damaged bytes": _damaged,
    "half a frame": _half,
    "a reset": _reset,
    "wrong shapes and types": _shapes,
    "NaN and infinity": _no_numbers,
    "HTML": _page,
    "redirects": _redirect,
    "429 and 503 with Retry-After": _later,
    "a gzip bomb": _bomb,
    "an endless trickle": _endless,
    "garbage": _garbage,
    "deep nesting": _nested,
}
_SLOW = ("a gzip bomb", "an endless trickle")
