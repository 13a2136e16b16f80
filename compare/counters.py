"""The server's own account of a window: differences of the statistics extension's counters."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tritonrepo.client.transport import Transport
from tritonrepo.compare.cells import Split

_PARTS = ("queue", "compute_input", "compute_infer", "compute_output")
_NANOSECONDS_PER_MS = 1e6


def read_counters(transport: Transport, model: str) -> Counter[str]:
    """The model's counters, all its versions together: nanoseconds by part, and executions by batch size.

    Over gRPC the numbers are strings, and zeros are left out.

    Raises:
        TritonRepoError: What the transport raises.
    """
    counters: Counter[str] = Counter()
    for version in transport.statistics(model).get("model_stats", []):
        statistics = version.get("inference_stats", {})
        counters["requests"] += int(statistics.get("success", {}).get("count", 0))
        for part in _PARTS:
            counters[part] += int(statistics.get(part, {}).get("ns", 0))
        for batch in version.get("batch_stats", []):
            counters[f"batch {int(batch['batch_size'])}"] += _executions(batch)
    return counters


def _executions(batch: dict[str, Any]) -> int:
    return int(batch.get("compute_infer", {}).get("count", 0))


def split_between(before: Counter[str], after: Counter[str]) -> Split | None:
    """What happened between two readings; None if no request was answered, or the counters started anew."""
    change = Counter(after)
    change.subtract(before)
    requests = change["requests"]
    if requests <= 0 or min(change.values()) < 0:
        return None
    executions = {
        int(name.removeprefix("batch ")): count
        for name, count in change.items()
        if name.startswith("batch ") and count > 0
    }
    parts = {part: change[part] / requests / _NANOSECONDS_PER_MS for part in _PARTS}
    return Split(**parts, executions=dict(sorted(executions.items())))
