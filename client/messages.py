"""What both protocols share of Triton's messages: requests, answers, and what an error means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray
from tritonclient.utils import np_to_triton_dtype

from tritonrepo.client.errors import (
    ClosedError,
    DeadlineError,
    ModelUnavailableError,
    RegionLostError,
    RequestError,
    ServerUnavailableError,
    TritonRepoError,
)
from tritonrepo.client.transport import Answer, Inference, ModelStatus


def error(url: str, code: str, message: str) -> TritonRepoError:
    """A gRPC status code, or an HTTP status by its gRPC name, as our error."""
    if closed := re.search(r"is restricted, expecting header '(.+?)'", message):
        return ClosedError(
            f"{url}: the server keeps this closed; who may open it sends its key in the header {closed[1]}"
        )
    if "Stub process" in message or (code == "NOT_FOUND" and "model" in message):
        return ModelUnavailableError(f"{url}: {message}")
    if "shared memory region" in message and "Unable to find" in message:
        return RegionLostError(f"{url}: {message}")
    if code == "DEADLINE_EXCEEDED":
        return DeadlineError(f"{url}: {message}")
    if code in ("UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED") or "RST_STREAM" in message:
        return ServerUnavailableError(f"{url}: {message}")
    return RequestError(f"{url} refused the request ({code or 'no code'}): {message}")


def request_parts(module: Any, request: Inference) -> tuple[Any, Any]:
    """The input and the requested output as tritonclient has them; the two protocols' modules spell them alike."""
    datatype = np_to_triton_dtype(request.tensor.dtype.type)
    tensor = module.InferInput(request.input_name, list(request.tensor.shape), datatype)
    if request.region is None:
        tensor.set_data_from_numpy(request.tensor)
    else:
        tensor.set_shared_memory(request.region.name, request.tensor.nbytes)
    return tensor, module.InferRequestedOutput(request.output_name, class_count=request.class_count)


def answer(values: NDArray[Any] | None, version: str, request: Inference) -> Answer:
    """The model's answer.

    Raises:
        RequestError: The output that was asked for is not in it.
    """
    if values is None:
        raise RequestError(f"{request.model} answered without {request.output_name}")
    return Answer(values, version)


def statuses(statistics: Mapping[str, Any], index: Iterable[Mapping[str, str]]) -> tuple[ModelStatus, ...]:
    """Every version that is known to a server.

    Args:
        statistics: Those of all models, which Triton keeps for what is ready alone.
        index: The repository index; empty where it is closed. It has the reasons why the others are not ready.
    """
    ready = [ModelStatus(one["name"], one["version"], "READY") for one in statistics.get("model_stats", [])]
    known = {(status.name, status.version) for status in ready}
    listed = [
        ModelStatus(one["name"], one.get("version", ""), one.get("state", "UNAVAILABLE"), one.get("reason", ""))
        for one in index
    ]
    return (*ready, *(status for status in listed if (status.name, status.version) not in known))
