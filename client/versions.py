"""The versions of one model: each has its own contract and labels, and a new one may take over at any time."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence

from tritonrepo.client.contract import ModelContract, read_contract, read_labels
from tritonrepo.client.errors import ModelUnavailableError, RequestError, ServerUnavailableError, UsageError
from tritonrepo.client.text import clean_label
from tritonrepo.client.transport import Transport

LOOKS = 8
"""How often to look again where versions come and go while they are asked."""
_FIRST_PAUSE = 0.02
GONE = (ServerUnavailableError, ModelUnavailableError, RequestError)
"""What a question about a version ends with when that version, or its server, is gone by then."""


class Versions:
    """What each version of the model promises, read once for each, when it has answered for the first time.

    Args:
        transport: Who is asked.
        model: The model's name.
        given: Labels to use instead of the server's. Blank ones at the end that no class has are left out.

    Attributes:
        current: The contract of the version that answered last.

    Raises:
        UsageError: There are not as many labels as classes.
        MissingError: As `read_contract`.
    """

    def __init__(self, transport: Transport, model: str, given: Sequence[str] | None = None) -> None:
        self.current = read_contract(transport, model)
        self._transport = transport
        self._given = None if given is None else _fitted(given, self.current)
        self._contracts: dict[str, ModelContract] = {}
        self._labels: dict[str, Sequence[str]] = {}
        self._digests: dict[str, str] = {}
        self._lock = threading.RLock()

    def contract(self, version: str) -> ModelContract:
        """What this version promises, which has just answered.

        Raises:
            MissingError: As `read_contract`; one of `GONE` where the version is no longer there.
        """
        with self._lock:
            if version not in self._contracts:
                self._contracts[version] = read_contract(self._transport, self.current.name, version)
            self.current = self._contracts[version]
            return self.current

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

    def answering(self) -> str:
        """The version that answers now, its contract and labels read.

        Raises:
            MissingError: As `Transport`.
        """
        for look in range(LOOKS):
            try:
                version = self.newest()
                self.labels(version)
                return version
            except GONE:
                pause(look)
        version = self.newest()
        self.labels(version)
        return version

    def newest(self) -> str:
        """The newest version that is ready on a server; unless it is told otherwise, Triton asks that one.

        Raises:
            ModelUnavailableError: There is none.
            MissingError: As `Transport`.
        """
        name = self.current.name
        ready = [one.version for one in self._transport.models() if one.name == name and one.ready]
        if not ready:
            raise ModelUnavailableError(f"no version of {name} is ready")
        return max(ready, key=lambda version: (len(version), version))


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
