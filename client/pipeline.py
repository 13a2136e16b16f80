"""Images -> results: decoded in one pool of threads, asked for in another, given back in order.

Memory is bounded by the batches under way, whatever the number of images: a batch's buffer is taken from a fixed set
when its images are read from the (lazy) input, and goes back when the answer is there.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.decode import Prediction, Scores, parse_classification, top
from tritonrepo.client.errors import ContractError, ImageError, UsageError
from tritonrepo.client.images import to_rgb
from tritonrepo.client.options import Options
from tritonrepo.client.preprocess import preprocess
from tritonrepo.client.results import Result
from tritonrepo.client.sources import Source
from tritonrepo.client.transport import Inference, Transport

THUMBNAIL_SIDE = 256
DEFAULT_BATCH_SIZE = 8


def batch_size(options: Options, contract: ModelContract) -> int:
    """The images per request.

    Raises:
        UsageError: More are wanted than the server takes.
    """
    size = options.batch_size or min(DEFAULT_BATCH_SIZE, contract.max_batch_size)
    if size > contract.max_batch_size:
        raise UsageError(f"batch size {size}: {contract.name} takes at most {contract.max_batch_size} images at once")
    return size


@dataclass
class _Batch:
    """Images on their way. `failures[i]` says why image i has no tensor in `buffer[i]`."""

    sources: list[Source]
    buffer: NDArray[Any]
    decoded: list[Future[bytes | None]]
    answer: Future[list[Result]] | None = None


class Buffers(Protocol):
    """Where batch buffers come from; shared memory has its own."""

    def allocate(self, shape: tuple[int, ...], dtype: type[np.floating[Any]]) -> NDArray[Any]:
        """An array, with whatever is in it."""

    def release(self, buffers: Iterable[NDArray[Any]]) -> None:
        """Take arrays back that nobody writes to any more."""


class HeapBuffers:
    """Ordinary memory."""

    def allocate(self, shape: tuple[int, ...], dtype: type[np.floating[Any]]) -> NDArray[Any]:
        """An array, with whatever is in it."""
        return np.empty(shape, dtype)

    def release(self, buffers: Iterable[NDArray[Any]]) -> None:
        """Nothing to do: Python's memory goes when it is not used."""


class Pipeline:
    """One model's pipeline, for one run.

    Args:
        transport: Who is asked.
        contract: What the model promises.
        labels: Those of a model version, asked for with each answer.
        options: How the run is done.
        buffers: Where batches lie; by default in ordinary memory.
    """

    def __init__(
        self,
        transport: Transport,
        contract: ModelContract,
        labels: Callable[[str], Sequence[str]],
        options: Options,
        buffers: Buffers | None = None,
    ) -> None:
        self._transport = transport
        self._contract = contract
        self._labels = labels
        self._options = options
        self._size = batch_size(options, contract)
        workers = options.workers or os.cpu_count() or 1
        # Enough batches that both pools have work while the oldest is waited for.
        self._depth = 2 * options.concurrency + -(-workers // self._size)
        shape = (self._size, *contract.input.shape)
        self._origin = buffers or HeapBuffers()
        self._idle = [self._origin.allocate(shape, contract.preprocessing.numpy_dtype) for _ in range(self._depth)]
        self._decoders = ThreadPoolExecutor(workers, "decode")
        self._requests = ThreadPoolExecutor(options.concurrency, "request")

    def run(self, sources: Iterable[Source]) -> Generator[Result, None, None]:
        """Results in input order, as they come. An image that cannot be used is a result with an error.

        Raises:
            MissingError: The server is gone for good; what was yielded before stands.
        """
        remaining = iter(sources)
        underway: deque[_Batch] = deque()
        try:
            while True:
                while len(underway) < self._depth and (chosen := list(islice(remaining, self._size))):
                    underway.append(self._start(chosen))
                if not underway:
                    return
                batch = underway.popleft()
                assert batch.answer is not None
                results = batch.answer.result()
                self._idle.append(batch.buffer)
                yield from results
        finally:
            self._decoders.shutdown(wait=False, cancel_futures=True)
            self._requests.shutdown(wait=False, cancel_futures=True)
            # Those of unfinished batches are not given back: a thread may still be writing there.
            self._origin.release(self._idle)

    def _start(self, sources: list[Source]) -> _Batch:
        buffer = self._idle.pop()
        decoded = [self._decoders.submit(self._prepare, source, buffer[i]) for i, source in enumerate(sources)]
        batch = _Batch(sources, buffer, decoded)
        # Requests are taken up in order, as are the decodings that they wait for: no wait is in vain.
        batch.answer = self._requests.submit(self._classify, batch)
        return batch

    def _prepare(self, source: Source, out: NDArray[Any]) -> bytes | None:
        """Decode into the batch; the thumbnail, if wanted."""
        spec = self._contract.preprocessing
        least_side = spec.resize if self._options.decode == "fast" else None
        image = to_rgb(source.load(orient=self._options.orient, least_side=least_side))
        preprocess(image, spec, out)
        return thumbnail(image) if self._options.thumbnails else None

    def _classify(self, batch: _Batch) -> list[Result]:
        outcomes = [_outcome(future) for future in batch.decoded]
        good = [i for i, outcome in enumerate(outcomes) if not isinstance(outcome, ImageError)]
        # A plain slice where nothing failed: no copy, and still the shared memory that the server knows.
        tensor = batch.buffer[: len(good)] if good == list(range(len(good))) else batch.buffer[good]
        predicted = dict(zip(good, self._ask(tensor) if good else [], strict=True))
        return [
            self._result(source, outcome, predicted.get(i))
            for i, (source, outcome) in enumerate(zip(batch.sources, outcomes, strict=True))
        ]

    def _result(self, source: Source, outcome: bytes | ImageError | None, answer: _Predicted | None) -> Result:
        name, model = source.name, self._contract.name
        if isinstance(outcome, ImageError):
            return Result(name, model, error=outcome.reason)
        assert answer is not None
        return Result(name, model, answer.version, answer.predictions, answer.error, outcome)

    def _ask(self, tensor: NDArray[Any]) -> list[_Predicted]:
        contract = self._contract
        count = min(self._options.top, contract.classes)
        answer = self._transport.infer(
            Inference(
                contract.name,
                contract.input.name,
                contract.output.name,
                tensor if contract.batched else tensor[0],
                class_count=count if self._options.server_top else 0,
                expected=len(tensor) * (count if self._options.server_top else contract.classes),
            )
        )
        rows = answer.values.reshape(len(tensor), -1)
        if self._options.server_top:
            return [_Predicted(answer.version, parse_classification(row, contract.scores)) for row in rows]
        labels = self._labels(answer.version)
        return [_predict(row, labels, count, contract.scores, answer.version) for row in rows]


@dataclass(frozen=True)
class _Predicted:
    version: str
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None


def _predict(values: NDArray[Any], labels: Sequence[str], count: int, scores: Scores, version: str) -> _Predicted:
    try:
        return _Predicted(version, top(values, labels, count, scores))
    except ContractError as exc:
        return _Predicted(version, error=str(exc))


def _outcome(future: Future[bytes | None]) -> bytes | ImageError | None:
    try:
        return future.result()
    except ImageError as exc:
        return exc


def thumbnail(image: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """A WebP picture of at most side x side pixels, of an RGB image."""
    small = image if max(image.size) <= side else image.resize(_fit(image.size, side), reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=70, method=0)
    return buffer.getvalue()


def _fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
