"""Cells of a server whose times are known exactly."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.compare.reports import CONDITIONS, make_report, window
from tritonrepo.compare.cells import Cell, Setting, Split
from tritonrepo.compare.report import Report, ServedModel

PREPROCESSING = {
    "resize": 256, "crop": 224, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3, "layout": "NCHW",
    "dtype": "FP32",
}  # fmt: skip
OVERHEAD = 2.0


def served(name: str = "m", batching: bool = True, count: int = 1) -> ServedModel:
    return ServedModel(
        name,
        versions=("1",),
        backend="onnxruntime",
        instances=({"count": count},),
        dynamic_batching=batching,
        max_batch_size=8,
        preprocessing=PREPROCESSING,
    )


def alone(time: float, batch_size: int = 1, model: str = "m", latencies: Sequence[float] = ()) -> Cell:
    """One request after the other; an execution takes `time` ms, a request 2 ms more."""
    latency = time + OVERHEAD
    one = replace(
        window(1e3 / latency, latency),
        split=Split(0.5, 0.5, time - 1, 0.5, {batch_size: 100}),
        latencies=tuple(latencies) or (latency,) * 4,
    )
    # The queue's 0.5 ms are part of the way: what is left of the overhead is 1.5 ms.
    return Cell(Setting(model, batch_size, 1), (one,) * 3)


def busy(
    rate: float, executions: Mapping[int, int], concurrency: int = 4, batch_size: int = 1, model: str = "m"
) -> Cell:
    """Requests always wait: so many are answered a second, in executions of these sizes."""
    one = replace(window(rate, 1e3 * concurrency / rate), split=Split(5.0, 0.0, 5.0, 0.0, executions))
    return Cell(Setting(model, batch_size, concurrency), (one,) * 3)


def open_cell(rate: float, latency: float, model: str = "m") -> Cell:
    return Cell(Setting(model, 1, request_rate=rate), (window(rate, latency),) * 3)


def report(*cells: Cell, models: Sequence[ServedModel] = (), **changes: Any) -> Report:
    return make_report(cells, models=tuple(models) or (served(),), **changes)


def poisson(*cells: Cell, models: Sequence[ServedModel] = ()) -> Report:
    return report(*cells, models=models, conditions=replace(CONDITIONS, distribution="poisson"))
