"""Images -> results: decoded in one pool of threads, asked for in another, given back in order.

Memory is bounded by the batches under way, whatever the number of images: a batch's buffer is taken from a fixed set
when its images are read from the (lazy) input, and goes back when the answer is there.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.asking import Asker, Predicted, prepare
from tritonrepo.client.basis import Basis
from tritonrepo.client.contract import ModelContract
from tritonrepo.client.errors import ImageError, UnreachableImageError, UsageError
from tritonrepo.client.images import open_image, to_rgb
from tritonrepo.client.options import Options
from tritonrepo.client.results import Result
from tritonrepo.client.sources import UNREAD, Source
from tritonrepo.client.transport import Transport
from tritonrepo.client.versions import Held, Versions

THUMBNAIL_SIDE = 256
DEFAULT_BATCH_SIZE = 8


def batch_size(options: Options, contract: ModelContract) -> int:
    """The images per request: of image files, which may be large, one by default, and the server makes batches of them.

    Raises:
        UsageError: More are wanted than the server takes, or the server decodes and an option is about how.
    """
    if contract.encoded and (options.decode != "exact" or not options.orient):
        what = "decoding fast" if options.decode != "exact" else "ignoring the orientation"
        raise UsageError(f"{contract.name} decodes its images itself, exactly and upright: leave out {what}")
    default = 1 if contract.encoded else DEFAULT_BATCH_SIZE
    size = options.batch_size or min(default, contract.max_batch_size)
    if size > contract.max_batch_size:
        raise UsageError(f"batch size {size}: {contract.name} takes at most {contract.max_batch_size} images at once")
    return size


@dataclass(frozen=True)
class _Decoded:
    """An image in the batch's buffer, or why it is not there; `identity` is the file's, before it was read."""

    identity: str = ""
    thumbnail: bytes | None = None
    error: str | None = None


@dataclass
class _Batch:
    """Images on their way, prepared for the version that is held."""

    sources: list[Source]
    held: Held
    buffer: NDArray[Any]
    decoded: list[Future[_Decoded]]
    answer: Future[list[Result]] | None = None


class Buffers(Protocol):
    """Where batch buffers come from; shared memory has its own."""

    def allocate(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """An array, with whatever is in it."""

    def release(self, buffers: Iterable[NDArray[Any]]) -> None:
        """Take arrays back that nobody writes to any more."""


class HeapBuffers:
    """Ordinary memory."""

    def allocate(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """An array, with whatever is in it."""
        return np.empty(shape, dtype)

    def release(self, buffers: Iterable[NDArray[Any]]) -> None:
        """Nothing to do: Python's memory goes when it is not used."""


class Pipeline:
    """One model's pipeline, for one run.

    Args:
        transport: Who is asked.
        versions: What the model promises.
        options: How the run is done.
        buffers: Where batches lie; by default in ordinary memory.
        follow: Whether to go over to a newer version while the older one is still there.
    """

    def __init__(
        self,
        transport: Transport,
        versions: Versions,
        options: Options,
        buffers: Buffers | None = None,
        follow: bool = True,
    ) -> None:
        self._versions = versions
        self._options = options
        self._look = versions.look if follow else lambda: None
        self._asker = Asker(transport, versions, options)
        self._size = batch_size(options, versions.current)
        workers = options.workers or os.cpu_count() or 1
        # Enough batches that both pools have work while the oldest is waited for.
        self._depth = 2 * options.concurrency + -(-workers // self._size)
        self._origin = buffers or HeapBuffers()
        self._idle = [self._allocate(versions.current) for _ in range(self._depth)]
        self._decoders = ThreadPoolExecutor(workers, "decode")
        self._requests = ThreadPoolExecutor(options.concurrency, "request")

    def _allocate(self, contract: ModelContract) -> NDArray[Any]:
        return self._origin.allocate((self._size, *contract.input.shape), contract.array_type)

    def run(self, sources: Iterable[Source]) -> Generator[Result, None, None]:
        """Results in input order, as they come. An image that cannot be used is a result with an error.

        Raises:
            MissingError: The server is gone for good; what was yielded before stands.
        """
        self._look()
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
        held = self._versions.held
        buffer = self._buffer(held.contract)
        decoded = [self._decoders.submit(self._decode, one, held.contract, buffer[i]) for i, one in enumerate(sources)]
        batch = _Batch(sources, held, buffer, decoded)
        # Requests are taken up in order, as are the decodings that they wait for: no wait is in vain.
        batch.answer = self._requests.submit(self._classify, batch)
        return batch

    def _buffer(self, contract: ModelContract) -> NDArray[Any]:
        """One that is idle, or a new one in its place where another version of the model wants another tensor."""
        buffer = self._idle.pop()
        if buffer.shape[1:] == contract.input.shape and buffer.dtype == contract.array_type:
            return buffer
        self._origin.release([buffer])
        return self._allocate(contract)

    def _decode(self, source: Source, contract: ModelContract, out: NDArray[Any]) -> _Decoded:
        identity = source.identity() if self._options.basis else ""
        try:
            image = prepare(source, contract, self._options, out)
            if not self._options.thumbnails:
                return _Decoded(identity)
            return _Decoded(identity, thumbnail(image or to_rgb(open_image(out[0], least_side=THUMBNAIL_SIDE))))
        except ImageError as exc:
            passing = identity and isinstance(exc, UnreachableImageError)
            return _Decoded(UNREAD if passing else identity, error=exc.reason)

    def _classify(self, batch: _Batch) -> list[Result]:
        decoded = [future.result() for future in batch.decoded]
        good = [i for i, one in enumerate(decoded) if one.error is None]
        # A plain slice where nothing failed: no copy, and still the shared memory that the server knows.
        tensor = batch.buffer[: len(good)] if good == list(range(len(good))) else batch.buffer[good]
        answers = self._asker.ask(tensor, [batch.sources[i] for i in good], batch.held) if good else []
        predicted = dict(zip(good, answers, strict=True))
        self._look()  # Here, where a server that is slow to answer keeps no other request waiting.
        return [
            self._result(source, one, predicted.get(i) or Predicted(error=one.error))
            for i, (source, one) in enumerate(zip(batch.sources, decoded, strict=True))
        ]

    def _result(self, source: Source, decoded: _Decoded, said: Predicted) -> Result:
        basis = None
        if self._options.basis:
            basis = Basis.of(self._options, said.digest, decoded.identity)
        name, model = source.name, self._versions.current.name
        return Result(name, model, said.version, said.predictions, said.error, decoded.thumbnail, basis, said.scores)


def thumbnail(image: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """A WebP picture of at most side x side pixels, of an RGB image."""
    small = image if max(image.size) <= side else image.resize(_fit(image.size, side), reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=70, method=0)
    return buffer.getvalue()


def _fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
