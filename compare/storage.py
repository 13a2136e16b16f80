"""Reports on disk, as JSON. NaN, which JSON does not have, is null there.

A stored report is of a schema, which has a number. Fields are only added to a schema; a report with another number is
refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError

from tritonrepo.client.errors import UsageError
from tritonrepo.compare.cells import Cell, Setting, Window
from tritonrepo.compare.figures import summary
from tritonrepo.compare.report import Report

SCHEMA = 1


def as_json(report: Report) -> str:
    """The report as it is stored, with a summary of each cell."""
    return json.dumps({"schema": SCHEMA, **_CONVERTER.unstructure(report)}, indent=1, allow_nan=False) + "\n"


def write_report(report: Report, path: str | Path) -> None:
    """Store it."""
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    part.write_text(as_json(report), encoding="utf-8")
    part.replace(path)


def read_report(path: str | Path) -> Report:
    """A stored report.

    Raises:
        UsageError: The file is not there, or is no such report.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"{path} is not a report of `compare`: {exc}") from exc
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise UsageError(f"{path} is not a report of `compare` (schema {SCHEMA})")
    try:
        return _CONVERTER.structure(found, Report)
    except BaseValidationError as exc:
        raise UsageError(f"{path} is not a report of `compare`: {transform_error(exc)[0]}") from exc


def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(float, lambda value: value if math.isfinite(value) else None)
    converter.register_structure_hook(float, lambda value, _: math.nan if value is None else float(value))

    def flat(cell: Cell) -> dict[str, Any]:
        """A cell's setting is not a level of its own."""
        return {
            **converter.unstructure(cell.setting),
            "summary": converter.unstructure(summary(cell)),
            "error": cell.error,
            "stability": cell.stability,
            "windows": converter.unstructure(cell.windows),
        }

    def cell(found: Mapping[str, Any], _: object) -> Cell:
        return Cell(
            converter.structure(found, Setting),
            converter.structure(found["windows"], tuple[Window, ...]),
            found["error"],
            found["stability"],
        )

    converter.register_unstructure_hook(Cell, flat)
    converter.register_structure_hook(Cell, cell)
    return converter


_CONVERTER = _converter()
