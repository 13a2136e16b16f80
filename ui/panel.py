"""Every model that a server has ready, asked for one picture at a time, so that the times can be compared."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tritonrepo.client.connection import Connection
from tritonrepo.client.contract import ModelContract, ready_models
from tritonrepo.client.encoded import takes_files
from tritonrepo.client.errors import MissingError, ServerUnavailableError, TritonRepoError
from tritonrepo.client.failover import Servers
from tritonrepo.client.options import Options
from tritonrepo.client.pipeline import Pipeline
from tritonrepo.client.results import Result
from tritonrepo.client.sources import Source
from tritonrepo.client.transport import Answer, Inference, open_transport
from tritonrepo.client.versions import Versions

OPTIONS = Options(top=5, batch_size=1, concurrency=1, workers=1)


@dataclass(frozen=True)
class Opinion:
    """What one model said of one picture.

    Attributes:
        result: Its best classes, or why there are none.
        seconds: From the request to its answer; none where there is no answer.
        trained: False where the weights are untrained.
        labels: Of all classes, by index.
    """

    result: Result
    seconds: float | None = None
    trained: bool = True
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Sight:
    """What the server has.

    Attributes:
        models: The contracts of the models that can be asked, by name.
        left_out: Why the others that are ready cannot, by name.
    """

    models: dict[str, ModelContract] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class Panel:
    """The models of one server, or of several that serve the same. Used from several threads, it asks in turn.

    Args:
        urls: The servers' addresses.
        connection: How they are reached.
        patience: Seconds to go on trying while none answers.

    Raises:
        UsageError: An address makes no sense.
    """

    def __init__(self, urls: Sequence[str], connection: Connection, patience: float) -> None:
        self.url = ",".join(urls)
        self._server = _Timed([open_transport(url, connection) for url in urls], patience)
        self._versions: dict[str, Versions] = {}
        self._turn = threading.Lock()

    def look(self) -> Sight:
        """Look which models are ready now.

        Raises:
            MissingError: The server does not answer, or has none.
        """
        with self._turn:
            left_out: dict[str, str] = {}
            found: dict[str, Versions] = {}
            for name in ready_models(self._server.models()):
                try:
                    found[name] = self._opened(name)
                except ServerUnavailableError:
                    raise
                except MissingError as exc:
                    if not takes_files(name):  # else it is a step of a model that decodes files
                        left_out[name] = str(exc)
            self._versions = found
            return Sight({name: versions.current for name, versions in found.items()}, left_out)

    def _opened(self, name: str) -> Versions:
        """The model's versions, with contract and labels of the one that answers now."""
        versions = self._versions.get(name) or Versions(self._server, name)
        versions.answering()
        return versions

    def ask(self, model: str, source: Source) -> Opinion:
        """What this model says of the picture; a failure of the server is the opinion's error.

        Args:
            model: One that `look` saw.
            source: The picture.
        """
        with self._turn:
            versions = self._versions.get(model)
            if versions is None:
                return Opinion(Result(source.name, model, error=f"{model} is not ready any more"))
            self._server.seconds = None
            try:
                (result,) = Pipeline(self._server, versions, OPTIONS).run([source])
                trained = versions.contract(result.version).trained if result.version else True
                labels = versions.labels(result.version) if result.version else ()
            except TritonRepoError as exc:
                return Opinion(Result(source.name, model, error=str(exc)))
            return Opinion(result, self._server.seconds, trained, labels)

    def close(self) -> None:
        """Drop the connections; what is under way ends with an error."""
        self._server.close()


class _Timed(Servers):
    """Takes the time of the last picture's answer, the tries that it took included."""

    seconds: float | None = None

    def infer(self, request: Inference) -> Answer:
        """As `Servers.infer`."""
        began = time.perf_counter()
        answer = super().infer(request)
        if not request.class_count:  # else it is the question for the labels
            self.seconds = time.perf_counter() - began
        return answer
