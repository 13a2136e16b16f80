"""What both protocols share of Triton's messages: requests, answers, and what an error means."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from tritonclient.utils import np_to_triton_dtype

from tritonrepo.client.errors import (
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


def statuses(index: list[dict[str, str]]) -> tuple[ModelStatus, ...]:
    """The repository index, as both protocols give it."""
    return tuple(
        ModelStatus(m["name"], m.get("version", ""), m.get("state", "UNAVAILABLE"), m.get("reason", "")) for m in index
    )
