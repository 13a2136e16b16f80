"""Whether runs are of one kind of server, so that what they measured can be taken together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tritonrepo.client.errors import UsageError
from tritonrepo.compare.report import Report, ServedModel


def check_alike(reports: Sequence[Report]) -> None:
    """Compare where runs took place.

    Raises:
        UsageError: They are of two machines, servers or protocols.
    """
    for what, seen in (
        ("CPUs", [report.machine.cpu for report in reports]),
        ("numbers of CPU threads", [report.machine.threads for report in reports]),
        ("GPUs", [_gpus(report.machine.gpus) for report in reports]),
        ("Triton versions", [report.server.version for report in reports]),
        ("protocols", [report.conditions.protocol for report in reports]),
    ):
        if len(found := dict.fromkeys(map(str, seen))) > 1:
            raise UsageError(
                f"the runs are of two {what}, {' and '.join(list(found)[:2])}: what they measured cannot be taken "
                "together. Give the runs of one machine, and ask for each machine by itself."
            )


def _gpus(described: Iterable[str]) -> str:
    """Their names, without driver and memory."""
    return ", ".join(gpu.partition(",")[0] for gpu in described) or "none"


def differing(reports: Sequence[Report]) -> set[str]:
    """The models that the runs' servers had configured in two ways."""
    seen: dict[str, ServedModel] = {}
    return {
        model.name
        for report in reports
        for model in report.models
        if _configuration(seen.setdefault(model.name, model)) != _configuration(model)
    }


def _configuration(model: ServedModel) -> tuple[object, ...]:
    return model.backend, model.instances, model.dynamic_batching, model.max_batch_size
