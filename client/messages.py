"""What both protocols share of Triton's messages: requests, answers, and what an error means."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from numpy.typing import NDArray
from tritonclient.utils import np_to_triton_dtype

from tritonrepo.client.encoded import REFUSED
from tritonrepo.client.errors import (
    ClosedError,
    DeadlineError,
    FileRefusedError,
    ModelUnavailableError,
    RegionLostError,
    RequestError,
    ServerUnavailableError,
    TritonRepoError,
)
from tritonrepo.client.server_key import NO_SHARED_MEMORY
from tritonrepo.client.text import printable
from tritonrepo.client.transport import Answer, Inference, ModelStatus

METADATA_LIMIT = 16 << 20
"""Most bytes of an answer about the server or a model: 100,000 classes have 2 MB of WordNet ids."""
LARGEST_ANSWER = 256 << 20
"""Most bytes of an answer whose size is not known beforehand, and of any over gRPC: 64 images of a million classes."""
OPTION = "--shared-memory"
"""Of `serve`, as of `classify`."""
TOO_LARGE = "OUT_OF_RANGE"
"""What we call HTTP's 413: the request has too many bytes, for which gRPC has no code."""
_ROOM = 1 << 20
_LONGEST_MESSAGE = 2000
_LONGEST_NUMBER = 32
_LONGEST_ENTRY = 4096
"""`score:index:label`."""


def error(url: str, code: str, message: str) -> TritonRepoError:
    """A gRPC status code, or an HTTP status by its gRPC name, as our error; the message may hold anything."""
    message = printable(message[:_LONGEST_MESSAGE])
    if closed := re.search(r"is restricted, expecting header '(.+?)'", message):
        if closed[1].endswith(NO_SHARED_MEMORY):
            return ClosedError(f"{url}: the server takes no shared memory; start it with: tritonrepo serve {OPTION}")
        return ClosedError(
            f"{url}: the server keeps this closed; who may open it sends its key in the header {closed[1]}"
        )
    # A version that was unloaded is "not found" or, for as long as its model is listed, "not at ready state".
    unloaded = "not at ready state" in message or (code == "NOT_FOUND" and "model" in message)
    if unloaded or "Stub process" in message:
        return ModelUnavailableError(f"{url}: {message}")
    if "shared memory region" in message and "Unable to find" in message:
        return RegionLostError(f"{url}: {message}")
    if code == "DEADLINE_EXCEEDED":
        return DeadlineError(f"{url}: {message}: the server took longer than --timeout lets it; is it overloaded?")
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in message:  # gRPC's words for our own limit
        return RequestError(f"{url} answered with more bytes than are taken: {message}")
    if code in ("UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED") or "RST_STREAM" in message:
        return ServerUnavailableError(f"{url}: {message}")
    refusal = f"{url} refused the request ({code or 'no code'}): {message}"
    if code == TOO_LARGE or REFUSED in message:
        return FileRefusedError(refusal, message.partition(REFUSED)[2] or message)
    return RequestError(refusal)


def said(exc: BaseException) -> str:
    """A failure of the network in the system's words, without its number."""
    text = (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
    return f"unknown host: {text}" if isinstance(exc, socket.gaierror) else text


def request_parts(module: Any, request: Inference) -> tuple[Any, Any]:
    """The input and the requested output as tritonclient has them; the two protocols' modules spell them alike."""
    datatype = np_to_triton_dtype(request.tensor.dtype.type)
    tensor = module.InferInput(request.input_name, list(request.tensor.shape), datatype)
    if request.region is None:
        tensor.set_data_from_numpy(request.tensor)
    else:
        tensor.set_shared_memory(request.region.name, request.tensor.nbytes)
    return tensor, module.InferRequestedOutput(request.output_name, class_count=request.class_count)


def answer_limit(request: Inference) -> int:
    """Most bytes that an answer to the request can have: each value written out, and room for all that is around."""
    if not request.expected:
        return LARGEST_ANSWER
    size = request.expected * (_LONGEST_ENTRY if request.class_count else _LONGEST_NUMBER)
    # A hostile config may promise any number of classes.
    return min(_ROOM + size, LARGEST_ANSWER)


def read_answer(url: str, request: Inference, parse: Callable[[], tuple[Any, str]]) -> Answer:
    """Return what the server answered.

    Args:
        url: The server's, for messages.
        request: What was asked.
        parse: Returns tritonclient's result and the version that it names.

    Raises:
        RequestError: It is not an answer to the request.
    """
    try:
        result, version = parse()
        values = result.as_numpy(request.output_name)
        problem = _problem(values, request)
    # tritonclient fails on hostile bytes in every way that Python knows, so that no list of types would be complete.
    except Exception as exc:
        problem = (
            f"with something that cannot be read, {type(exc).__name__}: {printable(str(exc)[:200])}; is it Triton?"
        )
    if problem:
        raise RequestError(f"{url}: {request.model} answered {problem}")
    return Answer(values, str(version))


def _problem(values: NDArray[Any] | None, request: Inference) -> str:
    """What is wrong with the output; an empty string where nothing is."""
    if values is None:
        return f"without {request.output_name}"
    wanted, found = ("classes" if request.class_count else "numbers"), f"{values.dtype} {list(values.shape)}"
    if (values.dtype.kind in "fiub") == bool(request.class_count):
        return f"{request.output_name} as {found}, where {wanted} were expected"
    if request.expected and values.size != request.expected:
        return f"{request.output_name} as {found}, where {request.expected:,} {wanted} were expected"
    return ""


def statuses(statistics: Mapping[str, Any], index: Iterable[Mapping[str, str]]) -> tuple[ModelStatus, ...]:
    """Every version that is known to a server.

    Args:
        statistics: Those of all models, which Triton keeps for what is ready alone.
        index: The repository index; empty where it is closed. It has the reasons why the others are not ready.
    """
    try:
        ready = [ModelStatus(one["name"], one["version"], "READY") for one in statistics.get("model_stats", [])]
        known = {(status.name, status.version) for status in ready}
        listed = [
            ModelStatus(one["name"], one.get("version", ""), one.get("state", "UNAVAILABLE"), one.get("reason", ""))
            for one in index
        ]
        return (*ready, *(status for status in listed if (status.name, status.version) not in known))
    except (KeyError, TypeError, AttributeError) as exc:
        raise RequestError("the server's list of its models is not as Triton's; is it Triton?") from exc


def ready_versions(statistics: Mapping[str, Any], model: str) -> list[str]:
    """The versions of a model that are ready, by their numbers; its statistics are kept for these alone."""
    found = {one.version for one in statuses(statistics, []) if one.name == model}
    return sorted(found, key=lambda version: (len(version), version))
