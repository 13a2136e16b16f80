"""How fast the served models are, and whether they agree."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from client.contract import ModelContract
from client.decode import softmax
from client.transport import Inference, Transport

Tensors: TypeAlias = NDArray[np.floating[Any]]

WARM_UP_SECONDS = 0.5
WINDOWS = 5


@dataclass(frozen=True)
class Latency:
    """One model at one batch size and concurrency. Latencies in ms, of single requests; `requests`: how many."""

    model: str
    batch_size: int
    concurrency: int
    images_per_second: float
    p50: float
    p95: float
    p99: float
    requests: int


@dataclass(frozen=True)
class Agreement:
    """A model against the reference on the same images: worst difference of a probability, share of equal top-1."""

    model: str
    reference: str
    worst_difference: float
    top1: float
    images: int


def measure(
    transport: Transport,
    contracts: Sequence[ModelContract],
    tensors: Tensors,
    concurrency: int,
    window_seconds: float = 2.0,
    windows: int = WINDOWS,
    on_window: Callable[[], None] = lambda: None,
) -> list[Latency]:
    """Closed loop: `concurrency` requests of the [batch, …] tensors always in flight, for every model.

    The models take turns, a window each (A B C A B C …), so that a drift of the machine hits all alike; each has a
    warm-up first. Raises what the transport raises.
    """
    for contract in contracts:
        _window(transport, contract, tensors, concurrency, WARM_UP_SECONDS)
    seconds: dict[str, list[float]] = {contract.name: [] for contract in contracts}
    elapsed = dict.fromkeys(seconds, 0.0)
    for _ in range(windows):
        for contract in contracts:
            took, spent = _window(transport, contract, tensors, concurrency, window_seconds)
            seconds[contract.name] += took
            elapsed[contract.name] += spent
            on_window()
    return [_summary(name, len(tensors), concurrency, took, elapsed[name]) for name, took in seconds.items()]


def _window(
    transport: Transport, contract: ModelContract, tensors: Tensors, concurrency: int, seconds: float
) -> tuple[list[float], float]:
    """Each request's seconds, and the window's: it ends with its last request."""
    request = _request(contract, tensors)
    begin = time.perf_counter()
    took: list[float] = []
    lock = threading.Lock()

    def loop() -> None:
        while (start := time.perf_counter()) - begin < seconds:
            transport.infer(request)
            with lock:
                took.append(time.perf_counter() - start)

    with ThreadPoolExecutor(concurrency) as pool:
        for worker in [pool.submit(loop) for _ in range(concurrency)]:
            worker.result()
    return took, time.perf_counter() - begin


def _summary(model: str, batch_size: int, concurrency: int, took: list[float], elapsed: float) -> Latency:
    p50, p95, p99 = (float(value) * 1e3 for value in np.percentile(took, (50, 95, 99)))
    return Latency(model, batch_size, concurrency, batch_size * len(took) / elapsed, p50, p95, p99, len(took))


def compare_answers(transport: Transport, contracts: Sequence[ModelContract], tensors: Tensors) -> list[Agreement]:
    """Every model against the first, on [images, …] tensors."""
    reference, *others = contracts
    expected = probabilities(transport, reference, tensors)
    return [_agreement(other, reference, probabilities(transport, other, tensors), expected) for other in others]


def probabilities(transport: Transport, contract: ModelContract, tensors: Tensors) -> NDArray[np.float64]:
    """[images, classes], by requests of at most the model's maximum batch size."""
    size = contract.max_batch_size
    parts = [tensors[start : start + size] for start in range(0, len(tensors), size)]
    return np.concatenate([softmax(_answers(transport, contract, part)) for part in parts])


def _answers(transport: Transport, contract: ModelContract, part: Tensors) -> Tensors:
    return transport.infer(_request(contract, part)).values.reshape(len(part), contract.classes)


def _request(contract: ModelContract, tensors: Tensors) -> Inference:
    return Inference(
        contract.name, contract.input.name, contract.output.name, tensors if contract.batched else tensors[0]
    )


def _agreement(
    model: ModelContract, reference: ModelContract, got: NDArray[np.float64], expected: NDArray[np.float64]
) -> Agreement:
    same = float((got.argmax(axis=1) == expected.argmax(axis=1)).mean())
    return Agreement(model.name, reference.name, float(np.abs(got - expected).max()), same, len(got))
