"""Results that an earlier run kept in a file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tritonrepo.client.basis import Basis
from tritonrepo.client.decode import Prediction
from tritonrepo.client.options import Options
from tritonrepo.client.records import RESUMED_COLUMNS, as_csv, as_json, csv_header
from tritonrepo.client.results import Result
from tritonrepo.client.resume import Present

NAMES = (
    "plain.png",
    "with, comma.png",
    'quo"te.png',
    "new\nline.png",
    "ret\rurn.png",
    "caf\udce9.png",
    "=1+2.png",
    "'=1.png",
    "'plain'.png",
    "again.png",
    "again.png",
)
PREDICTIONS = (Prediction(285, "Egyptian cat", 0.6, 4.0), Prediction(281, "tabby, tabby cat", 0.4, 3.5))
NOW = Present("net", "1", Basis.of(Options(), "c0ffee", ""))


def result(name: str, number: int = 0, **changes: Any) -> Result:
    """One that holds now, of a file that is not there: an error if its number is 2, without a class if it is 4."""
    basis = dataclasses.replace(NOW.basis, file="12-34")
    if number == 2:
        found = Result(name, "net", error="torn,\nvery", basis=dataclasses.replace(basis, contract=""))
    else:
        found = Result(name, "net", "1", () if number == 4 else PREDICTIONS, basis=basis)
    return dataclasses.replace(found, **changes)


RESULTS = [result(name, number) for number, name in enumerate(NAMES)]


def write(path: Path, results: list[Result]) -> bytes:
    header = [] if path.suffix == ".jsonl" else [csv_header(RESUMED_COLUMNS)]
    lines = header + [as_csv(r) if header else as_json(r) for r in results]
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    path.write_bytes(data)
    return data
