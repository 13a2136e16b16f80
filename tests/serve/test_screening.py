"""Which requests pass on to tritonserver: pure functions."""

import gzip
import json
import zlib

import pytest

from tritonrepo.serve.screening import DEEPEST, LOOPBACK, RefusedError, check_body, check_site, is_open, unpack

NAMES = LOOPBACK | {"triton.example"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2"),
        ("GET", "/v2/health/live"),
        ("GET", "/v2/models/m"),
        ("GET", "/v2/models/m/versions/2/ready"),
        ("GET", "/v2/models/m/config"),
        ("GET", "/v2/models/stats"),
        ("GET", "/v2/models/m/versions/1/stats"),
        ("POST", "/v2/models/m/infer"),
        ("POST", "/v2/models/m/versions/1/infer"),
    ],
)
def test_open_to_everybody(method: str, path: str) -> None:
    assert is_open(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/repository/index"),
        ("POST", "/v2/repository/models/m/load"),
        ("POST", "/v2/models/m/generate"),
        ("POST", "/v2/models/m/config"),
        ("GET", "/v2/systemsharedmemory/status"),
        ("GET", "/v2/trace/setting"),
        ("GET", "/v2/models/m/trace/setting"),
        ("POST", "/v2/logging"),
        ("POST", "/v2/models/m/../../repository/index"),
        ("DELETE", "/v2/models/m"),
        ("GET", "/metrics"),
    ],
)
def test_closed_without_the_key(method: str, path: str) -> None:
    assert not is_open(method, path)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost:8000"},
        {"Host": "127.0.0.1"},
        {"Host": "[::1]:8000"},
        {"Host": "TRITON.example:8000", "Origin": "https://triton.example"},
        {"Host": "127.0.0.1:8000", "Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"},
        {"Host": "10.1.2.3:8000", "Origin": "http://10.1.2.3:8000"},
        {"Host": "[fd00::1]:8000"},
    ],
)
def test_this_server_under_its_own_names(headers: dict[str, str]) -> None:
    check_site(headers, NAMES)


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({}, "names nothing"),
        ({"Host": "rebound.example:8000"}, "names rebound.example"),
        ({"Host": "127.0.0.1.evil.example"}, "evil.example"),
        ({"Host": "[::1"}, "names nothing"),
        ({"Host": "localhost", "Origin": "https://evil.example"}, "a page of https://evil.example"),
        ({"Host": "localhost", "Origin": "null"}, "a page of null"),
        ({"Host": "127.0.0.1", "Origin": "http://203.0.113.5"}, "a page of http://203.0.113.5"),
        ({"Host": "localhost", "Sec-Fetch-Site": "cross-site"}, "a page of another site"),
        ({"Host": "localhost", "Sec-Fetch-Site": "same-site"}, "a page of another site"),
    ],
)
def test_another_site(headers: dict[str, str], sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence) as raised:
        check_site(headers, NAMES)
    assert raised.value.status == 403


def request(**tensor: object) -> bytes:
    return json.dumps({"inputs": [{"name": "INPUT__0", "datatype": "FP32", **tensor}]}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"inputs":[]}',
        request(shape=[1, 2], data=[1, 2]),
        request(shape=[0, 3], data=[]),
        request(
            shape=[4, 3, 1024, 1024], parameters={"shared_memory_region": "r", "shared_memory_byte_size": 50331648}
        ),
        json.dumps({"parameters": {"config": json.dumps({"a": [[{}]] * 9})}}).encode(),
    ],
)
def test_requests_that_pass(body: bytes) -> None:
    check_body({}, body)


def test_the_tensors_behind_the_json_are_not_read() -> None:
    head = request(shape=[2, 4], parameters={"binary_data_size": 32})
    check_body({"Inference-Header-Content-Length": str(len(head))}, head + b"[" * 32)


def test_raw_tensors_without_json_pass() -> None:
    check_body({"Inference-Header-Content-Length": "0"}, b"[" * 1000)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[" * 40_000, "nests deeper"),
        (b'{"a":' * 40_000, "nests deeper"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "nests deeper"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"inputs":5}', "inputs is no list"),
        (b'{"inputs":[5]}', "inputs is no list"),
        (b'{"outputs":{}}', "outputs is no list"),
        (request(shape=[2147483648]), "a shape is"),
        (request(shape=[4294967297, 3, 224, 224]), "a shape is"),
        (request(shape=[-1]), "a shape is"),
        (request(shape=[1.5]), "a shape is"),
        (request(shape=[True]), "a shape is"),
        (request(shape="3"), "a shape is"),
        (request(shape=[1, 3, 65536, 65536]), "more elements"),
        (request(shape=[65536, 65536], parameters={"shared_memory_region": "r"}), "more elements"),
        (request(shape=[0, 2147483648]), "a shape is"),
    ],
)
def test_requests_that_would_end_the_server(body: bytes, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence) as raised:
        check_body({}, body)
    assert raised.value.status == 400


@pytest.mark.parametrize("length", ["99", "-1", "two", "1" * 40, ""])
def test_a_false_length_of_the_json(length: str) -> None:
    with pytest.raises(RefusedError, match="Inference-Header-Content-Length"):
        check_body({"Inference-Header-Content-Length": length}, b"{}")


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("", b"{}"), ("identity", b"{}"), ("gzip", gzip.compress(b"{}", mtime=0)), ("deflate", zlib.compress(b"{}"))],
)
def test_unpacking(encoding: str, packed: bytes) -> None:
    assert unpack(encoding, packed) == b"{}"


@pytest.mark.parametrize(
    ("encoding", "packed", "status", "sentence"),
    [
        ("br", b"x", 415, "only gzip and deflate"),
        ("gzip, gzip", b"x", 415, "only gzip and deflate"),
        ("gzip", b"{}", 400, "is not gzip"),
        ("deflate", b"{}", 400, "is not deflate"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-3], 400, "ends too early"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"{}", 400, "goes on after its end"),
        ("gzip", gzip.compress(b" " * 2000, mtime=0), 413, "unpacks to more"),
        ("deflate", zlib.compress(b" " * 2000), 413, "unpacks to more"),
    ],
)
def test_bodies_that_do_not_unpack(encoding: str, packed: bytes, status: int, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence) as raised:
        unpack(encoding, packed, largest=1000)
    assert raised.value.status == status
