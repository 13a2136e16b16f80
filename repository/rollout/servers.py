"""One server of a fleet: what it has loaded, what it is told to load, and what one waits for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.client.connection import DNS, Connection, Tls, implied
from tritonrepo.client.errors import ClosedError, RequestError, ServerUnavailableError, TritonRepoError, UsageError
from tritonrepo.client.failover import Servers
from tritonrepo.client.server_key import DIRECTORY_PREFIX
from tritonrepo.client.transport import ControlTransport, Transport, open_transport
from tritonrepo.repository.rollout.errors import ServerError
from tritonrepo.repository.translation import to_json

QUESTION_SECONDS = 30.0
"""At most, for one request that loads nothing."""
PATIENCE = 10.0
"""Seconds for which a golden image is sent again to a server that is too busy for it."""
PAUSE = 0.2
"""Between two looks at what a server has loaded."""
NOBODY = "tritonrepo-asks-whether-models-are-under-control"
"""A model that no repository has. To give it up changes nothing, and a server that follows its repository refuses."""
NOT_UNDER_CONTROL = "load / unload is not allowed"
READY, LOADING, UNAVAILABLE = "READY", "LOADING", "UNAVAILABLE"
States = dict[tuple[str, int], str]
"""Triton's word for what a version is, by model and number: READY, LOADING, UNAVAILABLE, ..."""
UNLOADED = "unloaded"
"""Triton's reason for a version that it has given up."""


@dataclass(frozen=True)
class Reach:
    """How the servers are reached.

    Attributes:
        headers: Sent with each request, the key of their model control among them.
        ca: Who may sign them, and the client's own certificate; the system's list without it.
        timeout: Seconds that a server may take to load a version and to answer from it.
        polling: Take it for granted that they follow their repository by themselves. Without it they are asked.
    """

    headers: dict[str, str]
    tls: Tls | None = None
    timeout: float = 300.0
    polling: bool = False


@dataclass(frozen=True)
class Loaded:
    """What a server has of a model.

    Attributes:
        versions: Those that are ready, ascending.
        config: Under which it has the newest, as the server says it. The policy in it may be of another time: a version
            that stays loaded when the policy changes keeps what it was loaded with.
    """

    versions: tuple[int, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """The newest; 0: none is ready."""
        return max(self.versions, default=0)

    def to_json(self) -> str:
        """What a request holds that loads the same again."""
        return json.dumps({**self.config, "version_policy": {"specific": {"versions": self.versions}}})


@dataclass(frozen=True)
class _Look:
    """What a server has of one model.

    Attributes:
        settled: The version that is waited for is the newest that is ready, and none is being loaded.
        ready: The versions that are ready, in words.
        refusal: Why that version could not be loaded, as the index says; empty where it does not.
    """

    settled: bool
    ready: str
    refusal: str


class Server:
    """A server, before it has been asked anything.

    Attributes:
        url: As it was given.
        follows: It follows its repository by itself, and cannot be told what to load. Known once it was met.
        serves: The models that it had ready then.
        name: The one that it gave itself then.
    """

    def __init__(self, url: str, reach: Reach) -> None:
        """Prepare; nothing is sent. Raises `UsageError` for an address that is malformed, or of several servers."""
        if url.startswith(DNS):  # gRPC would tell one of them, and ask another one.
            raise UsageError(f"{url} may be several servers, and each is told by itself: give the HOST:PORT of each")
        protocol, secure = implied(url)
        tls = (reach.tls or Tls()) if secure else None
        connection = Connection(protocol, min(reach.timeout, QUESTION_SECONDS), tls, reach.headers)
        self.url, self.follows, self._timeout = url, reach.polling, reach.timeout
        self.serves: frozenset[str] = frozenset()
        self._polling, self.name = reach.polling, ""
        self._asked: ControlTransport = open_transport(url, connection)
        self._told: ControlTransport = open_transport(url, replace(connection, deadline=reach.timeout))
        self.patient: Transport = Servers([self._asked], PATIENCE)

    def meet(self) -> None:
        """Find out whether it is there, and how it comes by its models.

        Raises:
            MissingError: It does not answer, or keeps model control closed to us.
        """
        self.serves = frozenset(name for (name, _), state in self.states().items() if state == READY)
        self.name = str(self._asked.server().get("name", ""))
        if not self._polling:
            self.follows = self._is_without_control()

    @property
    def embedded(self) -> bool:
        """Whether `tritonrepo serve` runs it; then its name is its own alone."""
        return self.name.startswith(DIRECTORY_PREFIX)

    def _is_without_control(self) -> bool:
        try:
            self._asked.unload(NOBODY)
        except ClosedError as exc:
            raise ClosedError(f"{exc}; give it with --key FILE, or say --polling if it polls its repository") from exc
        except ServerUnavailableError as exc:
            if NOT_UNDER_CONTROL in str(exc):
                return True
            raise
        except RequestError as exc:
            return NOT_UNDER_CONTROL in str(exc)
        return False

    def states(self) -> States:
        """What it has. Where it keeps its index closed, only what is ready is known. Raises `MissingError`."""
        found = self._asked.models()
        return {(one.name, int(one.version)): one.state for one in found if one.version.isdecimal()}

    def load(self, model: str, config: ModelConfig) -> None:
        """Have it load a model under this configuration, whatever its repository says.

        Raises:
            MissingError: It does not, and says why.
        """
        self._told.load(model, to_json(config, embedded=self.embedded))

    def unload(self, model: str) -> None:
        """Have it give up a model. Raises `MissingError`."""
        self._told.unload(model)

    def loaded(self, models: Sequence[str]) -> dict[str, Loaded]:
        """What it has of each of these models. Raises `MissingError`."""
        ready = sorted(one for one, state in self.states().items() if state == READY)
        found = {}
        for model in models:
            versions = tuple(version for name, version in ready if name == model)
            config = self._asked.config(model, str(versions[-1])) if versions else {}
            found[model] = Loaded(versions, config)
        return found

    def give_back(self, had: Mapping[str, Loaded]) -> None:
        """Have it have of each model what it had, as `loaded` found it.

        Raises:
            ServerError: It has not in time.
            MissingError: It does not.
        """
        for model, before in had.items():
            if before.version:
                self._told.load(model, before.to_json())
                self.wait(model, before.version)
            else:
                self.unload(model)

    @contextmanager
    def changed(self, had: Mapping[str, Loaded]) -> Iterator[None]:
        """Have what it had again if the block fails to change that; not if it is interrupted."""
        try:
            yield
        except TritonRepoError:
            if not self.follows:
                with suppress(TritonRepoError):
                    self.give_back(had)
            raise

    def wait(self, model: str, version: int) -> None:
        """Return when a version is ready, and is the newest that is.

        Args:
            model: The model's name.
            version: The number.

        Raises:
            ServerError: It is not in time, or cannot be loaded.
            MissingError: The server is gone.
        """
        deadline, before = time.monotonic() + self._timeout, self._look(model, version).refusal
        while not (found := self._look(model, version)).settled:
            if found.refusal and found.refusal != before:
                raise ServerError(f"cannot load version {version}: {found.refusal}")
            if time.monotonic() > deadline:
                has = (found.ready or "none") + (f"; it says: {found.refusal}" if found.refusal else "")
                raise ServerError(f"has not loaded version {version} within {self._timeout:g} s, and has {has}")
            time.sleep(PAUSE)

    def _look(self, model: str, version: int) -> _Look:
        """What it has of a model, one of whose versions is waited for."""
        ours = [one for one in self._asked.models() if one.name == model and one.version.isdecimal()]
        ready = sorted(int(one.version) for one in ours if one.ready)
        # A server that is loading something may be about to give up what is waited for.
        settled = ready[-1:] == [version] and not any(one.state == LOADING for one in ours)
        refusals = [one.reason for one in ours if one.version == str(version) and one.state == UNAVAILABLE]
        refusal = next((reason for reason in refusals if reason != UNLOADED), "")
        return _Look(settled, ", ".join(map(str, ready)), refusal)

    def close(self) -> None:
        """Drop the connections."""
        self._asked.close()
        self._told.close()
