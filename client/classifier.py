"""`Classifier`: the Python interface, and what the command line is made of."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from types import TracebackType

from tritonrepo.client.connection import PATIENCE, Connection, addresses, implied_connection
from tritonrepo.client.contract import ModelContract, choose_model
from tritonrepo.client.errors import UsageError
from tritonrepo.client.failover import Servers
from tritonrepo.client.options import Options
from tritonrepo.client.pipeline import Pipeline, batch_size
from tritonrepo.client.results import Result
from tritonrepo.client.shared_memory import SharedBuffers, SharedMemoryTransport
from tritonrepo.client.sources import Picture, Source, sources
from tritonrepo.client.transport import Transport, open_transport
from tritonrepo.client.versions import Versions


class Classifier:
    """An image classifier that Triton serves.

        with Classifier("localhost:8001", model="resnext101_32x4d_onnx") as classifier:
            for result in classifier.classify(["cat.jpg", "photos/", "https://example.org/dog.png"]):
                print(result.image, result.predictions[0].label)

    Args:
        url: HOST:PORT or http://HOST:PORT, or several of them (a list, or separated by commas) that serve the same
            model: requests go to each in turn and, when one fails, to the others.
        model: By default the only one that is ready.
        connection: Protocol, deadline, TLS and headers; by default what the address says, else gRPC without TLS.
        version: The only version of the model to ask, by its number; by default the newest that is ready, and its
            successors when they take over.
        labels: To use instead of the server's, one for each class.
        patience: Seconds to go on trying while no server answers in the middle of the work.
        shared_memory: Hand images over in shared memory, for servers on the same host; `close` removes it.

    Attributes:
        versions: What each version of the model promises.
        transport: How it is asked.

    Raises:
        UsageError: An argument makes no sense, or the model is not there.
        ServerUnavailableError: No server answers.
        ModelUnavailableError: The model is there and not ready, or that version is not.
        ContractError: The model is not an image classifier as `tritonrepo export` makes them.
        RequestError: The server refused to answer.
    """

    def __init__(
        self,
        url: str | Sequence[str] = "localhost",
        model: str | None = None,
        *,
        version: int | str | None = None,
        connection: Connection | None = None,
        labels: Sequence[str] | None = None,
        patience: float = PATIENCE,
        shared_memory: bool = False,
    ) -> None:
        _check(version, labels, patience)
        urls = addresses(url)
        connection = connection or implied_connection(urls[0])
        transports: list[Transport] = [open_transport(one, connection) for one in urls]
        self._shared = SharedBuffers() if shared_memory else None
        if self._shared:
            transports = [SharedMemoryTransport(transport, self._shared) for transport in transports]
        self.transport: Transport = Servers(transports, patience)
        try:
            name = choose_model(self.transport.models(), model)
            self.versions = Versions(self.transport, name, labels, None if version is None else str(version))
            if shared_memory and self.contract.encoded:
                raise UsageError(f"{name} takes image files, which do not go through shared memory")
        except BaseException:
            self.close()
            raise

    @property
    def contract(self) -> ModelContract:
        """What the version promises for which images are prepared now."""
        return self.versions.current

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.contract.name

    def classify(
        self, images: Picture | Iterable[Picture], options: Options | None = None
    ) -> Generator[Result, None, None]:
        """A result for each image, in order, as they come.

        Args:
            images: One image or several. An image is a path, a directory (all images below it), a pattern, a URL, the
                bytes of an image file, a Pillow image or a [height, width, 3] uint8 array.
            options: Predictions per image, batch size and so on; see `Options`.

        Yields:
            What became of the image; one that cannot be used gives a result with an `error`.

        Raises:
            UsageError: At once, where an argument makes no sense.
            MissingError: While iterating, when the servers are gone for good.
        """
        return self.run(sources(images), options or Options())

    def run(self, chosen: Iterable[Source], options: Options, *, follow: bool = True) -> Generator[Result, None, None]:
        """`classify` for sources that are made already.

        Args:
            chosen: The images.
            options: As for `classify`.
            follow: Go over to a newer version while the older one is still there.
        """
        batch_size(options, self.contract)
        if options.server_top and self.contract.output.datatype == "FP16":
            raise UsageError(f"{self.model} answers in FP16, of which Triton picks no best classes")
        return Pipeline(self.transport, self.versions, options, self._shared, follow).run(chosen)

    def labels(self) -> Sequence[str]:
        """The label of each class of the version that answers now, by index: the server's, unless others were given."""
        return self.versions.labels(self.versions.answering())

    def close(self) -> None:
        """End what is under way, drop the connections, and remove the shared memory."""
        try:
            self.transport.close()
        finally:
            if self._shared:
                self._shared.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClassifier:
    """`Classifier` for asyncio: `async with AsyncClassifier(url) as c: async for result in c.classify(images)`.

    The same pipeline, waited for in a thread, so that the event loop is never blocked. Takes the same arguments, and
    raises the same when the block begins.
    """

    def __init__(
        self,
        url: str | Sequence[str] = "localhost",
        model: str | None = None,
        *,
        version: int | str | None = None,
        connection: Connection | None = None,
        labels: Sequence[str] | None = None,
        patience: float = PATIENCE,
        shared_memory: bool = False,
    ) -> None:
        self._open = lambda: Classifier(
            url,
            model,
            version=version,
            connection=connection,
            labels=labels,
            patience=patience,
            shared_memory=shared_memory,
        )
        self._classifier: Classifier | None = None

    async def __aenter__(self) -> AsyncClassifier:
        self._classifier = await asyncio.to_thread(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._classifier is not None:
            await asyncio.to_thread(self._classifier.close)

    @property
    def contract(self) -> ModelContract:
        """What the model promises."""
        return self._opened().contract

    async def classify(
        self, images: Picture | Iterable[Picture], options: Options | None = None
    ) -> AsyncIterator[Result]:
        """As `Classifier.classify`."""
        results = self._opened().classify(images, options)
        try:
            while (result := await asyncio.to_thread(next, results, None)) is not None:
                yield result
        finally:
            # When the task was cancelled, a thread may still be waiting in there; `close` ends what it waits for.
            with contextlib.suppress(ValueError):
                results.close()

    def _opened(self) -> Classifier:
        if self._classifier is None:
            raise UsageError("use `async with AsyncClassifier(…) as classifier`")
        return self._classifier


def _check(version: int | str | None, labels: Sequence[str] | None, patience: float) -> None:
    if version is not None and not re.fullmatch(r"[1-9]\d{0,18}", str(version), re.ASCII):
        raise UsageError(f"version is {version!r}, it must be a whole number from 1")
    if isinstance(labels, str):
        raise UsageError("labels is one string: give a list with a label for each class")
    if not patience >= 0:
        raise UsageError(f"patience is {patience} s, it must be at least 0")
