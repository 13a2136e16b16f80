"""The versions of one model: each has its own contract and labels, and a new one may take over at any time."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from tritonrepo.client.contract import ModelContract, read_contract
from tritonrepo.client.errors import (
    MissingError,
    ModelUnavailableError,
    RequestError,
    ServerUnavailableError,
    UsageError,
)
from tritonrepo.client.messages import ready_versions
from tritonrepo.client.served_labels import read_labels
from tritonrepo.client.text import clean_label
from tritonrepo.client.transport import Transport

LOOKS = 8
"""How often to look again where versions come and go while they are asked."""
LOOK_SECONDS = 1.0
"""Between two looks for a newer version, where the one that is held is still there."""
_FIRST_PAUSE = 0.02
GONE = (ServerUnavailableError, ModelUnavailableError, RequestError)
"""What a question about a version ends with when that version, or its server, is gone by then."""


@dataclass(frozen=True)
class Held:
    """A version, for which images are prepared and which is asked by its number.

    Attributes:
        version: Its number.
        contract: What it promises.
    """

    version: str
    contract: ModelContract


class Versions:
    """What each version of the model promises, read once for each.

    Args:
        transport: Who is asked.
        model: The model's name.
        given: Labels to use instead of the server's. Blank ones at the end that no class has are left out.
        wanted: The only version to ask; by default the newest that is ready.

    Attributes:
        held: The version for which images are prepared now.

    Raises:
        UsageError: There are not as many labels as classes.
        ModelUnavailableError: The wanted version is not ready.
        MissingError: As `read_contract`.
    """

    def __init__(
        self, transport: Transport, model: str, given: Sequence[str] | None = None, wanted: str | None = None
    ) -> None:
        self.wanted = wanted
        self._transport = transport
        self._model = model
        self._given = given
        self._contracts: dict[str, ModelContract] = {}
        self._labels: dict[str, Sequence[str]] = {}
        self._digests: dict[str, str] = {}
        self._lock = threading.RLock()
        self._next_look = 0.0
        self.held = self._found()
        if given is not None:
            _fitted(given, self.held.contract)

    @property
    def current(self) -> ModelContract:
        """What the version promises that is held."""
        return self.held.contract

    def hold(self) -> Held:
        """Hold the newest version that is ready on a server, or still the wanted one.

        Raises:
            ModelUnavailableError: None is ready.
            MissingError: As `read_contract`.
        """
        self.held = self._found()
        return self.held

    def look(self) -> None:
        """Hold the newest version, if it is time to look. Where that fails, the requests will tell."""
        with self._lock:
            if time.monotonic() < self._next_look:
                return
            self._next_look = time.monotonic() + LOOK_SECONDS
        with suppress(MissingError):
            self.hold()

    def contract(self, version: str) -> ModelContract:
        """What this version promises.

        Raises:
            MissingError: As `read_contract`; one of `GONE` where the version is no longer there.
        """
        with self._lock:
            if version not in self._contracts:
                self._contracts[version] = read_contract(self._transport, self._model, version)
            return self._contracts[version]

    def labels(self, version: str) -> Sequence[str]:
        """The label of each class of this version, by index. Raises as `contract`."""
        with self._lock:
            if version not in self._labels:
                contract = self.contract(version)
                if self._given is None:
                    self._labels[version] = read_labels(self._transport, contract, version)
                else:
                    self._labels[version] = _fitted(self._given, contract)
            return self._labels[version]

    def digest(self, version: str) -> str:
        """Of all that a prediction of this version depends on beside its weights. Raises as `contract`."""
        with self._lock:
            if version not in self._digests:
                self._digests[version] = _digest(self.contract(version), self.labels(version))
            return self._digests[version]

    def answering(self, look: int = 0) -> str:
        """Hold the version that answers now, its labels read; `look` is how often that was tried.

        Raises:
            MissingError: As `Transport`.
        """
        version = self.hold().version
        try:
            self.labels(version)
        except GONE:
            if look == LOOKS or version == self.newest():
                raise
            pause(look)
            return self.answering(look + 1)
        return version

    def newest(self) -> str:
        """The newest version that is ready on the server that is asked, or the wanted one.

        Raises:
            ModelUnavailableError: There is none.
            MissingError: As `Transport`.
        """
        return self.wanted or self._ready()[-1]

    def _ready(self) -> list[str]:
        found = ready_versions(self._transport.statistics(self._model), self._model)
        if not found:
            raise ModelUnavailableError(f"no version of {self._model} is ready")
        return found

    def _found(self, look: int = 0) -> Held:
        """The newest version with its contract; `look` is how often it was gone before its contract was read."""
        version = self.newest()
        try:
            return Held(version, self.contract(version))
        except GONE as exc:
            if self.wanted and not isinstance(exc, ServerUnavailableError):
                what = f"version {version} of {self._model}"
                raise ModelUnavailableError(f"{what} is not ready. Ready: {', '.join(self._ready())}.") from exc
            if look == LOOKS or version == self.newest():
                raise
            pause(look)
            return self._found(look + 1)


def pause(look: int) -> None:
    """Wait a moment before the next look: a release takes a second or so."""
    time.sleep(_FIRST_PAUSE * 2**look)


def _digest(contract: ModelContract, labels: Sequence[str]) -> str:
    parts = (
        contract.preprocessing.to_json(),
        repr((contract.input, contract.output, contract.scores, contract.synsets)),
        *labels,
    )
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _fitted(given: Sequence[str], contract: ModelContract) -> tuple[str, ...]:
    labels = [clean_label(label) for label in given]
    while len(labels) > contract.classes and not labels[-1]:
        labels.pop()
    if len(labels) != contract.classes:
        raise UsageError(f"{len(labels)} labels given for the {contract.classes} classes of {contract.name}")
    return tuple(label or str(index) for index, label in enumerate(labels))
