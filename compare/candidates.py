"""Which of the served models can be compared: those that are ready and take the same images for the same classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tritonrepo.client.contract import ModelContract, read_contract
from tritonrepo.client.encoded import takes_files
from tritonrepo.client.errors import (
    ContractError,
    ModelUnavailableError,
    ServerUnavailableError,
    TritonRepoError,
    UsageError,
)
from tritonrepo.client.served_labels import read_labels
from tritonrepo.client.transport import ModelStatus, Transport
from tritonrepo.compare.errors import NothingMeasuredError
from tritonrepo.compare.plan import Plan


@dataclass(frozen=True)
class Candidates:
    """The models to measure.

    Attributes:
        contracts: By name, the reference first; never empty.
        labels: Of the classes, the same for all.
        lost: What cannot be compared -> why.
    """

    contracts: Mapping[str, ModelContract]
    labels: tuple[str, ...]
    lost: Mapping[str, str]

    @property
    def reference(self) -> ModelContract:
        """What the others are held against."""
        return next(iter(self.contracts.values()))


def find_candidates(transport: Transport, plan: Plan) -> Candidates:
    """Ask the server for its models, and hold their contracts against the reference's.

    Raises:
        UsageError: The server does not know a name, or no model takes a batch as large as one of the plan's.
        NothingMeasuredError: No model can be compared.
        TritonRepoError: The reference cannot be used, or the server is away.
    """
    statuses = transport.models()
    contracts: dict[str, ModelContract] = {}
    lost: dict[str, str] = {}
    labels: tuple[str, ...] = ()
    for name in _names(statuses, plan):
        try:
            contract = _ready_contract(transport, statuses, name)
            found = read_labels(transport, contract)
            if contracts:
                _check_same(contract, next(iter(contracts.values())), found, labels)
            contracts[name], labels = contract, found
        except ServerUnavailableError:
            raise
        except TritonRepoError as exc:
            if name == plan.reference:
                raise
            lost[name] = str(exc)
    if not contracts:
        raise NothingMeasuredError(lost)
    return Candidates(contracts, labels, {**lost, **_too_small(contracts, plan.batch_sizes)})


def _names(statuses: Sequence[ModelStatus], plan: Plan) -> list[str]:
    """The models to try, the reference first."""
    names = _wanted(statuses, plan.models)
    if plan.reference is None:
        return names
    if plan.reference not in names:
        raise UsageError(f"the reference {plan.reference} is not among the models: {', '.join(names)}")
    return [plan.reference, *(name for name in names if name != plan.reference)]


def _wanted(statuses: Sequence[ModelStatus], models: Sequence[str] | None) -> list[str]:
    """Without names, those that are ready, and those that failed to load. Triton also lists what nobody loaded.

    Ensembles that take image files, and their steps, are no candidates: each stands on one.
    """
    if models is None:
        tried = [status for status in statuses if status.ready or status.reason not in ("", "unloaded")]
        return sorted({status.name for status in tried if not takes_files(status.name)})
    known = sorted({status.name for status in statuses})
    unknown = [name for name in models if name not in known]
    if unknown:
        # A server that keeps its index to itself lists only what is ready.
        has = ", ".join(known) or "no model"
        raise UsageError(f"not on this server, or not loaded: {', '.join(unknown)}. It has: {has}")
    return list(models)


def _ready_contract(transport: Transport, statuses: Sequence[ModelStatus], name: str) -> ModelContract:
    versions = [status for status in statuses if status.name == name]
    if not any(status.ready for status in versions):
        reason = next((status.reason for status in versions if status.reason), "not loaded")
        raise ModelUnavailableError(f"not ready ({reason})")
    contract = read_contract(transport, name)
    if contract.encoded:
        raise ContractError("it takes image files, and what is compared gets prepared images")
    return contract


def _check_same(
    contract: ModelContract, reference: ModelContract, labels: Sequence[str], expected: Sequence[str]
) -> None:
    """Raises ContractError saying in what they differ: images for the one would be wrong for the other."""
    if contract.preprocessing != reference.preprocessing:
        raise ContractError(f"it prepares its images otherwise than {reference.name}")
    if contract.classes != reference.classes:
        raise ContractError(f"it has {contract.classes} classes, {reference.name} has {reference.classes}")
    for index, (label, other) in enumerate(zip(labels, expected, strict=True)):
        if label != other:
            raise ContractError(f"its class {index} is {label!r}, that of {reference.name} is {other!r}")


def _too_small(contracts: Mapping[str, ModelContract], sizes: Sequence[int]) -> dict[str, str]:
    """The batches that some models do not take -> why. Raises UsageError for one that none takes."""
    lost = {}
    for size in sizes:
        small = [contract for contract in contracts.values() if contract.max_batch_size < size]
        if len(small) == len(contracts):
            raise UsageError(f"batch size {size}: {small[0].name} takes at most {small[0].max_batch_size} at once")
        for contract in small:
            lost[f"{contract.name}, batch {size},"] = f"it takes at most {contract.max_batch_size} at once"
    return lost
