"""Answer the requests that Triton's batcher hands to a stand-in in one call. Runs inside the stub."""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]
Run = Callable[[Tensors], Tensors]


class OutputError(ValueError):
    """What a model returned is nothing that the official backend would send on.

    Attributes:
        code: The status that the official backend gives it, a name of pb_utils.TritonError: INVALID_ARG, UNSUPPORTED, …
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def answer(requests: Sequence[Any], run: Run, *, batched: bool) -> list[Any]:
    """Return one response for each request, in order; a request that fails gets an error of its own.

    Args:
        requests: The stub's.
        run: Maps the inputs to the outputs.
        batched: The first dimension of each tensor is the batch, and `run` is called once for all requests together.
    """
    if len(requests) > 1 and not batched:
        return [response for request in requests for response in answer([request], run, batched=batched)]
    try:
        return answer_together(requests, run) if batched else [respond(run(read(requests[0])))]
    except Exception as error:  # Whatever a runtime raises is the client's answer, and must not end the stub.
        if len(requests) == 1:
            return [fail(error)]
    # One of them spoilt the batch: each on its own, so that the others do not fail with it.
    return [response for request in requests for response in answer([request], run, batched=batched)]


def answer_together(requests: Sequence[Any], run: Run) -> list[Any]:
    """Return the responses to requests that make one batch.

    Raises:
        OutputError: An output has fewer rows than the batch.
    """
    inputs = [read(request) for request in requests]
    # as_numpy is a view of shared memory: a single request is not copied.
    together = len(inputs) > 1
    outputs = run(
        {name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]} if together else inputs[0]
    )
    sizes = (len(next(iter(tensors.values()))) for tensors in inputs)
    return [
        respond({name: take_rows(name, array, start, stop) for name, array in outputs.items()})
        for start, stop in pairwise(accumulate(sizes, initial=0))
    ]


def take_rows(name: str, array: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
    """Return a request's rows of an output; rows beyond those of the batch go to nobody, as with the official ones.

    Raises:
        OutputError: There are fewer.
    """
    rows = len(array) if array.ndim else 0
    if rows < stop:
        raise OutputError(
            "UNSUPPORTED",
            f"failed to split the output tensor '{name}' in responses: expected batch size of at least {stop} in model "
            f"output, got {rows}",
        )
    return array[start:stop]


def read(request: Any) -> Tensors:
    """Return the inputs of a request."""
    return {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}


def respond(outputs: Tensors) -> Any:
    """Return the response with these outputs."""
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outputs.items()])


def fail(error: Exception) -> Any:
    """Return the response that says what went wrong, with the status of the official backend."""
    code = error.code if isinstance(error, OutputError) else "INTERNAL"
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), getattr(pb_utils.TritonError, code)))
