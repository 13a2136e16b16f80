"""That a version number means the same on each of several servers, which they could have given by themselves."""

from __future__ import annotations

from collections.abc import Hashable

from tritonrepo.client.contract import read_contract
from tritonrepo.client.errors import ContractError
from tritonrepo.client.served_labels import read_labels
from tritonrepo.client.transport import Inference, Transport


class Agreement:
    """What each version means by the server that was asked for it first; the others have to mean the same."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], tuple[str, Hashable]] = {}
        self._checked: set[tuple[str, str, str]] = set()

    def check(self, transport: Transport, request: Inference) -> None:
        """See that this server means the same by the version of the request, before it is sent there first.

        Raises:
            ContractError: It does not.
            MissingError: As `Transport`.
        """
        model, version, url = request.model, request.version, transport.url
        if not version or (url, model, version) in self._checked:
            return
        contract = read_contract(transport, model, version)
        # Of FP16 scores no server names the classes.
        labels = () if contract.output.datatype == "FP16" else read_labels(transport, contract, version)
        first, meaning = self._first.setdefault((model, version), (url, (contract, labels)))
        if meaning != (contract, labels):
            raise ContractError(
                f"{first} and {url} both have a version {version} of {model}, with other contracts or labels. The "
                "servers of one list have to serve releases of one repository; give these a command each."
            )
        self._checked.add((url, model, version))

    def forget(self, transport: Transport) -> None:
        """Check this server again: it was away, and may have come back with something else."""
        self._checked = {one for one in self._checked if one[0] != transport.url}
