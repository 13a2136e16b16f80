"""One run's figures with everything that is needed to draw them again, as JSON and CSV."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tritonrepo.client.errors import UsageError
from tritonrepo.client.records import csv_line
from tritonrepo.compare.agreement import Agreement, DifferingImage
from tritonrepo.compare.cells import PERCENTILES, Cell, Growth, Setting, Split, Window
from tritonrepo.compare.intervals import Interval

SCHEMA = 1


@dataclass(frozen=True)
class Report:
    """`created`: ISO 8601 with the zone. `duration`: seconds. `reference`: the model that the others are held against.

    `lost`: models that could not be measured at all -> why. `labels`: of the classes that a differing image names, by
    index. `conditions`: the plan, the protocol and the inputs. `interrupted`: not all the windows were measured.
    """

    created: str
    duration: float
    engine: str
    engine_version: str
    reference: str
    conditions: Mapping[str, Any]
    machine: Mapping[str, Any]
    server: Mapping[str, Any]
    models: tuple[Mapping[str, Any], ...]
    cells: tuple[Cell, ...]
    agreements: tuple[Agreement, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[int, str] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def models_of_cells(self) -> list[str]:
        return list(dict.fromkeys(cell.setting.model for cell in self.cells))

    @property
    def measured_models(self) -> list[str]:
        return list(dict.fromkeys(cell.setting.model for cell in self.cells if cell.measured))

    @property
    def untrained(self) -> list[str]:
        return [str(model["name"]) for model in self.models if not model["trained"]]

    def cells_of(self, model: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.setting.model == model]

    def peer(self, cell: Cell, model: str) -> Cell | None:
        """The other model's cell under the same load."""
        wanted = (model, *cell.setting.key[1:])
        return next((other for other in self.cells if other.setting.key == wanted), None)


def as_json(report: Report) -> str:
    return json.dumps(_numbers(_as_dict(report)), indent=1, allow_nan=False) + "\n"


def write_json(report: Report, path: Path) -> None:
    path.write_text(as_json(report), encoding="utf-8")


def read_json(path: Path) -> Report:
    """Raises UsageError when the file is not there or not such a report."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("schema") != SCHEMA:
            raise UsageError(f"{path} is not a report of `compare` (schema {SCHEMA})")
        return _from_dict(found)
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise UsageError(f"{path} is not a report of `compare`: {exc}") from exc


def _as_dict(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        **{name: getattr(report, name) for name in report.__dataclass_fields__ if name not in ("cells", "agreements")},
        "cells": [_cell_as_dict(cell) for cell in report.cells],
        "agreements": [asdict(one) for one in report.agreements],
    }


def _cell_as_dict(cell: Cell) -> dict[str, Any]:
    return {
        **asdict(cell.setting),
        "summary": summary(cell),
        "error": cell.error,
        "stability": cell.stability,
        "windows": [asdict(window) for window in cell.windows],
    }


def summary(cell: Cell) -> dict[str, Any]:
    """A cell in single figures: latencies and splits in ms, the limits of its 95% intervals as _low and _high."""
    if not cell.measured:
        return {"requests": 0, "failures": 0, "stable": False, "usable": False}
    split, growth = cell.split, cell.growth
    return {
        "requests": cell.requests,
        "failures": cell.failures.total(),
        "stable": cell.stable,
        "usable": cell.usable,
        "inferences_per_second": cell.images_per_second.mean,
        "images_per_second": cell.images_per_second.mean,
        **_limits("images_per_second", cell.images_per_second),
        "requests_per_second": cell.images_per_second.mean / cell.setting.batch_size,
        "average_ms": cell.average.mean,
        **_limits("average_ms", cell.average),
        "standard_deviation_ms": cell.standard_deviation,
        **{
            name: value
            for percent in PERCENTILES
            for name, value in (
                (f"p{percent}_ms", cell.percentile(percent).mean),
                *_limits(f"p{percent}_ms", cell.percentile(percent)).items(),
            )
        },
        "queue_ms": split.queue if split else None,
        "compute_input_ms": split.compute_input if split else None,
        "compute_infer_ms": split.compute_infer if split else None,
        "compute_output_ms": split.compute_output if split else None,
        "executed_batch_sizes": executed(split),
        "sustained": cell.sustained,
        "achieved_requests_per_second": growth.achieved if growth else None,
        "first_quarter_ms": growth.first_quarter if growth else None,
        "last_quarter_ms": growth.last_quarter if growth else None,
        "client_cpu_cores": cell.client_cpu,
        "server_memory_mib": cell.server_memory,
    }


def _limits(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}


def executed(split: Split | None) -> str:
    """`4x120 8x3`: batch size 4 was executed 120 times, batch size 8 three times."""
    return " ".join(f"{size}x{count}" for size, count in sorted(split.executions.items())) if split else ""


def write_csv(report: Report, path: Path) -> None:
    """A row for each cell, in single figures."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in csv_lines(report.cells))


def csv_lines(cells: Iterable[Cell]) -> Iterator[str]:
    rows = [
        {**asdict(cell.setting), **summary(cell), "windows": len(cell.windows), "error": cell.error} for cell in cells
    ]
    columns = list(dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row))
    yield csv_line(columns)
    for row in rows:
        values = (row.get(column) for column in columns)
        yield csv_line("" if value is None or value != value else value for value in values)


def _numbers(value: Any) -> Any:
    """JSON has no NaN: null instead. Its keys are strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_numbers(item) for item in value]
    return value


def _from_dict(found: Mapping[str, Any]) -> Report:
    rest = {name: found[name] for name in Report.__dataclass_fields__ if name not in ("cells", "agreements", "labels")}
    return Report(
        **{**rest, "models": tuple(found["models"])},
        cells=tuple(map(_cell, found["cells"])),
        agreements=tuple(map(_agreement, found["agreements"])),
        labels={int(index): label for index, label in found["labels"].items()},
    )


def _cell(found: Mapping[str, Any]) -> Cell:
    setting = Setting(found["model"], found["batch_size"], found["concurrency"], found["request_rate"])
    return Cell(setting, tuple(map(_window, found["windows"])), found["error"], found["stability"])


def _window(found: Mapping[str, Any]) -> Window:
    split, growth = found["split"], found["growth"]
    return Window(
        **{
            **found,
            "average": _number(found["average"]),
            "standard_deviation": _number(found["standard_deviation"]),
            "percentiles": {int(percent): _number(value) for percent, value in found["percentiles"].items()},
            "latencies": tuple(found["latencies"]),
            "split": split and Split(**{**split, "executions": {int(k): v for k, v in split["executions"].items()}}),
            "growth": growth and Growth(**{name: _number(value) for name, value in growth.items()}),
        }
    )


def _agreement(found: Mapping[str, Any]) -> Agreement:
    figures = ("worst_difference", "mean_difference", "worst_shift")
    differing = tuple(DifferingImage(**{**one, "difference": _number(one["difference"])}) for one in found["differing"])
    return Agreement(**{**found, **{name: _number(found[name]) for name in figures}, "differing": differing})


def _number(value: float | None) -> float:
    return math.nan if value is None else value
