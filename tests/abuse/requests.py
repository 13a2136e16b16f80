"""Bad requests, made from a seed: what a broken or hostile program may send to the ports of a served repository."""

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import service_pb2 as pb

MODEL = "tiny_onnx"
INFER = f"/v2/models/{MODEL}/infer"
WILD = (-1, -(2**31), 0, 5, 33, 2**16, 2**31 - 1, 2**31, 2**32 + 1, 2**63 - 1, 2**64 + 1)
"""Dimensions that no picture has."""
LONG = 8192


@dataclass(frozen=True)
class HttpRequest:
    """Bytes for the HTTP port, as they go over the wire.

    Attributes:
        kind: What is bad about it, for the table.
        data: The request.
        closed: It asks for what needs the key.
        whole: It must be answered; a server may wait for the rest of what is not whole.
    """

    kind: str
    data: bytes
    closed: bool = False
    whole: bool = True


@dataclass(frozen=True)
class GrpcRequest:
    """A call of the gRPC port.

    Attributes:
        kind: What is bad about it.
        method: Of Triton's service.
        data: The message's bytes, which need not be one.
        closed: It asks for what needs the key.
    """

    kind: str
    method: str
    data: bytes
    closed: bool = False


Request = HttpRequest | GrpcRequest
Make = Callable[[random.Random], Request]


def http(path: str, body: bytes = b"", method: str = "POST", **headers: str) -> bytes:
    """The bytes of a request; underlines in the names of headers become hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def tensor(rng: random.Random, **changed: object) -> dict[str, Any]:
    """An input of the tiny model, with some of it changed."""
    return {
        "name": "INPUT__0",
        "datatype": "FP32",
        "shape": [1, 3, 32, 32],
        "data": [0.0] * rng.choice((1, 3072)),
        **changed,
    }


def infer(kind: str, inputs: object, **more: object) -> HttpRequest:
    """An inference request of JSON."""
    return HttpRequest(kind, http(INFER, json.dumps({"inputs": inputs, **more}).encode()))


def wrong_shape(rng: random.Random) -> Request:
    shape = [rng.choice(WILD) for _ in range(rng.randrange(6))]
    return infer("shapes: negative, huge, overflowing", [tensor(rng, shape=shape)])


def product(rng: random.Random) -> Request:
    side = rng.choice((65536, 46341, 2**20, 2**21))
    return infer("shapes: negative, huge, overflowing", [tensor(rng, shape=[1, 3, side, side])])


def wrong_type(rng: random.Random) -> Request:
    value: object = rng.choice((None, True, "x", 5, 1e999, [], {}, [[[]]], {"a": 1}, "BYTES", "INT64", "FP8", ""))
    key = rng.choice(("name", "datatype", "shape", "data", "parameters"))
    return infer("types: what is no tensor", [tensor(rng, **{key: value})])


def wrong_body(rng: random.Random) -> Request:
    value: object = rng.choice(
        (5, [], None, "x", {"inputs": 5}, {"inputs": [5]}, {"inputs": {}}, {"outputs": [1]}, [[]], {"id": {}})
    )
    return HttpRequest("types: what is no tensor", http(INFER, json.dumps(value).encode()))


def wrong_size(rng: random.Random) -> Request:
    head = json.dumps({"inputs": [{**tensor(rng), "parameters": {"binary_data_size": rng.choice(WILD)}}]}).encode()
    body = head + rng.randbytes(rng.choice((0, 1, 100, 12288)))
    length = rng.choice((len(head), len(body), len(body) + 1, -1, 2**63, 0))
    return HttpRequest("binary tensors of a wrong size", http(INFER, body, Inference_Header_Content_Length=str(length)))


def bomb(rng: random.Random) -> Request:
    depth = rng.choice((33, 1000, 40_000, 200_000))
    text = rng.choice((b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth, b'{"inputs":' + b"[" * depth))
    return HttpRequest("JSON bombs: nesting", http(INFER, text))


def big_json(rng: random.Random) -> Request:
    text = rng.choice((b"9" * 10**5, b'"' + b"a" * 10**6 + b'"', b"[" + b"1," * 10**5 + b"1]", b'{"a":1,' * 30 + b"}"))
    return HttpRequest("JSON bombs: numbers, strings, lists", http(INFER, text))


def gzip_bomb(rng: random.Random) -> Request:
    data = (
        gzip.compress(b" " * rng.choice((10**6, 300 << 20)), 1, mtime=0)
        if rng.random() < 0.05
        else gzip.compress(b"[" * 10**6, mtime=0)
    )
    if rng.random() < 0.3:
        data = data[: rng.randrange(len(data))]
    return HttpRequest("compressed bombs", http(INFER, data, Content_Encoding=rng.choice(("gzip", "deflate"))))


def garbage(rng: random.Random) -> Request:
    return HttpRequest("no HTTP at all", rng.randbytes(rng.choice((1, 10, 1000))) + b"\r\n\r\n", whole=False)


def malformed(rng: random.Random) -> Request:
    good = http(INFER, json.dumps({"inputs": [tensor(rng)]}).encode())
    data = rng.choice(
        (
            good.replace(b"HTTP/1.1", rng.choice((b"HTTP/9.9", b"HTTP/", b"", b"ICY"))),
            good.replace(b"POST", rng.choice((b"post", b"PO ST", b"\x00", b"A" * LONG))),
            good.replace(
                b"Content-Length: ", rng.choice((b"Content-Length: -", b"Content-Length: x", b"Content-Length: 9"))
            ),
            good.replace(b"Connection: close", b"Transfer-Encoding: chunked\r\nX: " + b"y" * rng.choice((1, LONG * 8))),
            good.replace(b"Connection: close", b"\r\n".join(b"X-%d: y" % n for n in range(rng.choice((10, 5000))))),
            good[: rng.randrange(1, len(good))],
            good.replace(b"\r\n", b"\n"),
        )
    )
    return HttpRequest("malformed HTTP", data, whole=False)


def wrong_name(rng: random.Random) -> Request:
    name = rng.choice(
        ("..", "%2e%2e", "a/../../b", "%00", "..%2f..%2fetc%2fpasswd", "x" * LONG, "é", "\udc80", "*", "tiny_onnx%20")
    )
    version = rng.choice(("", "/versions/..", "/versions/-1", "/versions/99999999999999999999", "/versions/x"))
    path = f"/v2/models/{name}{version}" + rng.choice(("", "/infer", "/config", "/ready", "/stats"))
    return HttpRequest("names with .., %00, 8 KB", http(path, b"{}", rng.choice(("GET", "POST", "DELETE", "PUT"))))


def closed(rng: random.Random) -> Request:
    code = {"file:1/model.py": "cHJpbnQoMSk="}
    config = json.dumps({"name": MODEL, "backend": "python"})
    name = rng.choice((MODEL, "hostile", "..%2f..", ""))
    path, body = rng.choice(
        (
            (f"repository/models/{name}/load", {"parameters": {"config": config, **code}}),
            (f"repository/models/{name}/load", {}),
            (f"repository/models/{name}/unload", {}),
            ("repository/index", {}),
            ("systemsharedmemory/region/r/register", {"key": rng.choice(("/x", "../etc/passwd")), "byte_size": 2**40}),
            ("cudasharedmemory/region/r/register", {"raw_handle": {"b64": "AA=="}, "device_id": -1, "byte_size": 1}),
            ("trace/setting", {"trace_file": "/tmp/trace"}),
            ("logging", {"log_file": "/tmp/log"}),
        )
    )
    return HttpRequest("closed, without the key", http(f"/v2/{path}", json.dumps(body).encode()), closed=True)


def foreign(rng: random.Random) -> Request:
    body = json.dumps({"inputs": [tensor(rng, data=[0.0] * 3072)]}).encode()
    where: dict[str, str] = rng.choice(
        ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"})
    )
    return HttpRequest("a page of another site", http(INFER, body, Content_Type="text/plain", **where), closed=True)


def region(rng: random.Random) -> Request:
    parameters = {"shared_memory_region": rng.choice(("r", "..", "")), "shared_memory_byte_size": rng.choice(WILD)}
    given = {"name": "INPUT__0", "datatype": "FP32", "shape": [1, 3, 32, 32], "parameters": parameters}
    return infer("shared memory that is not there", [given])


def grpc_shape(rng: random.Random) -> Request:
    shape = [max(min(rng.choice(WILD), 2**63 - 1), -(2**63)) for _ in range(rng.randrange(6))]
    given = pb.ModelInferRequest.InferInputTensor(
        name="INPUT__0", datatype=rng.choice(("FP32", "BYTES", "X")), shape=shape
    )
    message = pb.ModelInferRequest(model_name=MODEL, inputs=[given])
    message.raw_input_contents.extend(rng.randbytes(rng.choice((0, 4, 12288))) for _ in range(rng.randrange(3)))
    return GrpcRequest("gRPC: shapes, types and sizes", "ModelInfer", message.SerializeToString())


def grpc_bytes(rng: random.Random) -> Request:
    method = rng.choice(("ModelInfer", "ModelMetadata", "ModelConfig", "ModelStatistics", "Nothing"))
    return GrpcRequest("gRPC: bytes that are no message", method, rng.randbytes(rng.choice((1, 20, 5000))))


def grpc_name(rng: random.Random) -> Request:
    name, version = rng.choice(("..", "", "x" * LONG, "a\0b")), rng.choice(("", "-1", "99999999999999999999", "x"))
    message = pb.ModelMetadataRequest(name=name, version=version)
    return GrpcRequest(
        "gRPC: names", rng.choice(("ModelMetadata", "ModelConfig", "ModelReady")), message.SerializeToString()
    )


def grpc_closed(rng: random.Random) -> Request:
    method, message = rng.choice(
        (
            ("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name=MODEL)),
            ("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name=MODEL)),
            ("RepositoryIndex", pb.RepositoryIndexRequest()),
            ("SystemSharedMemoryRegister", pb.SystemSharedMemoryRegisterRequest(name="r", key="/x", byte_size=2**40)),
            ("TraceSetting", pb.TraceSettingRequest()),
            ("LogSettings", pb.LogSettingsRequest()),
        )
    )
    return GrpcRequest("closed, without the key", method, message.SerializeToString(), closed=True)


MAKERS: tuple[Make, ...] = (
    wrong_shape, product, wrong_type, wrong_body, wrong_size, bomb, big_json, gzip_bomb, garbage, malformed, wrong_name,
    closed, foreign, region, grpc_shape, grpc_bytes, grpc_name, grpc_closed,
)  # fmt: skip


def make(seed: int, count: int) -> list[Request]:
    """`count` bad requests; the same for the same seed."""
    rng = random.Random(seed)
    return [rng.choice(MAKERS)(rng) for _ in range(count)]
