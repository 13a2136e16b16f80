"""Answer the requests that Triton's batcher hands to a stand-in in one call. Runs inside the stub."""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]
Run = Callable[[Tensors], Tensors]


def answer(requests: Sequence[Any], run: Run, *, batched: bool) -> list[Any]:
    """Return one response for each request, in order; a request that fails gets an error of its own.

    `run` maps the inputs to the outputs. With `batched` the first dimension of each tensor is the batch, and `run` is
    called once for all requests together.
    """
    if len(requests) > 1 and not batched:
        return [response for request in requests for response in answer([request], run, batched=batched)]
    try:
        return answer_together(requests, run)
    except Exception as error:  # Whatever a runtime raises is the client's answer, and must not end the stub.
        if len(requests) == 1:
            return [pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))]
    # One of them spoilt the batch: each on its own, so that the others do not fail with it.
    return [response for request in requests for response in answer([request], run, batched=batched)]


def answer_together(requests: Sequence[Any], run: Run) -> list[Any]:
    inputs = [{tensor.name(): tensor.as_numpy() for tensor in request.inputs()} for request in requests]
    if len(inputs) == 1:  # as_numpy is a view of shared memory: nothing is copied.
        return [respond(run(inputs[0]))]
    outputs = run({name: np.concatenate([tensors[name] for tensors in inputs]) for name in inputs[0]})
    sizes = (len(next(iter(tensors.values()))) for tensors in inputs)
    return [
        respond({name: array[start:stop] for name, array in outputs.items()})
        for start, stop in pairwise(accumulate(sizes, initial=0))
    ]


def respond(outputs: Tensors) -> Any:
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outputs.items()])
