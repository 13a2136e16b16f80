"""Which requests may pass on to tritonserver 2.51's HTTP, and which of them need no key. Pure functions.

tritonserver 2.51 ends itself at JSON that nests deeply and at shapes whose product overflows, and it cannot tell a
page in a browser from a program. So a guard reads each request first, and asks here.
"""

import ipaddress
import json
import math
import re
import zlib
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

LARGEST_BODY = 256 << 20
"""Bytes: several times a batch of 64 images of 224 x 224 written as JSON."""
DEEPEST = 32
"""How deep brackets may nest; Triton's protocol needs 6 and its model configurations 9."""
LARGEST_DIMENSION = 2**31 - 1
HEADER_LENGTH = "Inference-Header-Content-Length"
MODEL = r"/v2/models/[^/]+(/versions/[^/]+)?"
OPEN = {
    "GET": re.compile(rf"/v2/?|/v2/health/(live|ready)|/v2/models/stats|{MODEL}(/ready|/config|/stats)?"),
    "POST": re.compile(rf"{MODEL}/infer"),
}
"""What everybody who reaches the port may ask. All else takes the key."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class RefusedError(Exception):
    """A request that does not pass.

    Attributes:
        status: Of the answer.
    """

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def is_open(method: str, path: str) -> bool:
    """Whether a request needs no key: health, metadata, configurations, statistics and inference."""
    pattern = OPEN.get(method)
    return pattern is not None and pattern.fullmatch(path) is not None


def check_site(headers: Mapping[str, str], hosts: Collection[str]) -> None:
    """Refuse what a page of another site makes a browser send.

    A browser names the site that it believes to speak to (Host) and the one whose page asks (Origin). Programs send
    the first, and hardly ever the second.

    Args:
        headers: The request's; their names in any case.
        hosts: The names under which this server is known, in lower case and without a port. Addresses in numbers need
            not be among them: a page gets to them under no name of its own.

    Raises:
        RefusedError: One of them is another site.
    """
    host = _hostname(f"//{headers.get('Host', '')}")
    if host not in hosts and not _is_number(host):
        raise RefusedError(
            HTTPStatus.FORBIDDEN, f"the header Host names {host or 'nothing'}; this server is not known by it"
        )
    origin = headers.get("Origin")
    if origin is not None and _hostname(origin) not in {*hosts, host}:
        raise RefusedError(HTTPStatus.FORBIDDEN, f"a page of {origin} may not use this server")
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise RefusedError(HTTPStatus.FORBIDDEN, "a page of another site may not use this server")


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def unpack(encoding: str, body: bytes, largest: int = LARGEST_BODY) -> bytes:
    """A body without its compression, which Triton reads with no limit of size.

    Args:
        encoding: The header Content-Encoding: empty, `gzip` or `deflate`, as Triton takes them.
        body: As it came.
        largest: Bytes that it may unpack to.

    Raises:
        RefusedError: It is packed otherwise, broken, or too large.
    """
    if not encoding or encoding.lower() == "identity":
        return body
    if encoding.lower() not in ("gzip", "deflate"):
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Encoding {encoding[:40]!r}: only gzip and deflate"
        )
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # finds out which of the two it is
    try:
        unpacked = unpacker.decompress(body, largest + 1)
    except zlib.error as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the body is not {encoding}: {error}") from None
    if len(unpacked) > largest:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body unpacks to more than {largest >> 20} MiB")
    if not unpacker.eof or unpacker.unused_data:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, f"the body is not {encoding}: it ends too early, or goes on after its end"
        )
    return unpacked


def check_body(headers: Mapping[str, str], body: bytes) -> None:
    """Refuse a request whose JSON would end tritonserver.

    Args:
        headers: The request's.
        body: JSON, and in an inference request the tensors' bytes behind it.

    Raises:
        RefusedError: The JSON cannot be read or nests too deeply, or a shape cannot belong to the request.
    """
    if not body:
        return
    request = _parse(_json_part(headers, body))
    if isinstance(request, dict):
        for kind in ("inputs", "outputs"):
            _check_tensors(request.get(kind, []), kind, len(body))


def _json_part(headers: Mapping[str, str], body: bytes) -> bytes:
    text = headers.get(HEADER_LENGTH)
    if text is None:
        return body
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) > len(body):
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, f"{HEADER_LENGTH} is {text[:40]!r}, and the body has {len(body)} bytes"
        )
    return body[: int(text)]


def _parse(text: bytes) -> Any:
    """The JSON, or None for an empty text: raw tensors, for which Triton takes shape and type from the model."""
    if not text:
        return None
    if _deepest(text) > DEEPEST:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the JSON nests deeper than {DEEPEST} brackets")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the request's JSON cannot be read: {error}") from None


def _deepest(text: bytes) -> int:
    """How deep brackets nest at most. Those within strings count as well: that can only make it more."""
    depth = deepest = 0
    for run in re.finditer(rb"[\[{]+|[\]}]+", text):
        depth += len(run[0]) if run[0][0] in b"[{" else -len(run[0])
        deepest = max(deepest, depth)
    return deepest


def _check_tensors(tensors: object, kind: str, size: int) -> None:
    if not isinstance(tensors, list) or not all(isinstance(tensor, dict) for tensor in tensors):
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{kind} is no list of objects")
    for tensor in tensors:
        _check_shape(tensor, size)


def _check_shape(tensor: Mapping[str, Any], size: int) -> None:
    shape, parameters = tensor.get("shape", []), tensor.get("parameters")
    if not isinstance(shape, list) or not all(_is_dimension(dimension) for dimension in shape):
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, f"a shape is {str(shape)[:80]}: no list of numbers from 0 to {LARGEST_DIMENSION}"
        )
    elsewhere = isinstance(parameters, dict) and "shared_memory_region" in parameters
    if math.prod(shape) > (LARGEST_DIMENSION if elsewhere else size):
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the shape {shape} has more elements than the request has bytes")


def _is_dimension(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_DIMENSION
