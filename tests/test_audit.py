"""`make audit` never calls a data base out of reach a clean bill."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

VERDICT = runpy.run_path(str(Path(__file__).parents[1] / ".ci" / "audit.py"))["verdict"]
CLEAN = {"name": "numpy", "version": "1.26.4", "vulns": []}
BAD = {"name": "old", "version": "1", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}]}
UNKNOWN = {"name": "lost", "skip_reason": "Dependency not found on PyPI and could not be audited: lost (1)"}
OURS = {"name": "triton-repository-builder", "skip_reason": "distribution marked as editable"}


@pytest.mark.parametrize(
    ("dependencies", "status", "said"),
    [
        ([CLEAN, OURS], 0, "pypi: 1 packages checked, no known vulnerabilities"),
        ([CLEAN, UNKNOWN], 0, "not checked: lost\npypi: 1 packages checked, no known"),
        ([CLEAN, BAD], 1, "old 1: PYSEC-1, CVE-1; mended in 2\npypi: 2 packages checked, 1 known"),
        ([UNKNOWN, OURS], 3, "pypi: out of reach: it knows none of 1 packages"),
        ([], 3, "out of reach"),
    ],
)
def test_a_report_is_read(dependencies: list[dict[str, Any]], status: int, said: str) -> None:
    sentence, found = VERDICT("pypi", json.dumps({"dependencies": dependencies}), "")
    assert found == status
    assert said in sentence


def test_no_report_is_no_clean_bill() -> None:
    sentence, status = VERDICT("osv", "", "Traceback\nConnectionError: no such host\n")
    assert (sentence, status) == ("osv: out of reach: ConnectionError: no such host", 3)
    assert VERDICT("osv", "", "")[1] == 3
