"""The versions of one model: each has its own contract and labels, and a new one may take over at any time."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

from tritonrepo.client.contract import ModelContract, blank_request, read_contract, read_labels
from tritonrepo.client.errors import RequestError, UsageError
from tritonrepo.client.text import clean_label
from tritonrepo.client.transport import Transport

# How often to look again where versions change while they are asked.
LOOKS = 5


class Versions:
    """What each version of the model promises, read once per version, when it has answered for the first time.

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
        self._lock = threading.RLock()

    def contract(self, version: str) -> ModelContract:
        """What this version promises, which has just answered."""
        with self._lock:
            if version not in self._contracts:
                self._contracts[version] = read_contract(self._transport, self.current.name, version)
            self.current = self._contracts[version]
            return self.current

    def labels(self, version: str) -> Sequence[str]:
        """The label of each class of this version, by index."""
        if self._given is not None:
            return self._given
        with self._lock:
            if version not in self._labels:
                self._labels[version] = read_labels(self._transport, self.contract(version), version)
            return self._labels[version]

    def renewed(self, contract: ModelContract) -> ModelContract | None:
        """The contract of the version that answers now, if requests made by `contract` are not for it."""
        with self._lock:
            self.current = read_contract(self._transport, contract.name)
            return None if self.current.asks_like(contract) else self.current

    def answering(self) -> str:
        """The version that answers now; asked with a blank image.

        Raises:
            MissingError: As `Transport`.
        """
        for _ in range(LOOKS - 1):
            contract = self.current
            try:
                return self._ask_blank(contract)
            except RequestError:
                if self.renewed(contract) is None:
                    raise
        return self._ask_blank(self.current)

    def _ask_blank(self, contract: ModelContract) -> str:
        version = self._transport.infer(blank_request(contract)).version
        self.contract(version)
        return version

    def digest(self, version: str) -> str:
        """Of all that a prediction of this version depends on beside its weights: contract and labels."""
        contract = self.contract(version)
        parts = (
            contract.preprocessing.to_json(),
            repr((contract.input, contract.output, contract.scores, contract.synsets)),
            *self.labels(version),
        )
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _fitted(given: Sequence[str], contract: ModelContract) -> tuple[str, ...]:
    labels = [clean_label(label) for label in given]
    while len(labels) > contract.classes and not labels[-1]:
        labels.pop()
    if len(labels) != contract.classes:
        raise UsageError(f"{len(labels)} labels given for the {contract.classes} classes of {contract.name}")
    return tuple(label or str(index) for index, label in enumerate(labels))
