"""Every module of the zoo through the gate, for the two default formats: published wrongly 0, refused by mistake 0.

    python -m benchmarks.gate_zoo

The right modules have many structures, and the wrong ones a fault each; both are in `tests/zoo`. A module's formats go
the way of an export up to where it would publish. Status 1 if one is published wrongly or refused by mistake.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from tests.zoo import right, wrong
from tests.zoo.examine import FORMATS, Examined, examine
from tests.zoo.expected import LIMITS, REASONS, SCORES
from tritonrepo.cli import terminal

PROCESSES = 2
FAULTS = ("published wrongly", "refused by mistake", "another reason", "other scores")


@dataclass(frozen=True)
class Row:
    """One module in one format.

    Attributes:
        module: The factory's name.
        format: Of the artifact.
        expected: `published` or `refused`; a right module is refused where the framework itself cannot take it.
        result: The same, as it was.
        why: The refusal.
        seconds: Conversion and verification, or what came before where the module itself is refused.
        fault: `published wrongly`, `refused by mistake`, `another reason`, `other scores`, or empty.
    """

    module: str
    format: str
    expected: str
    result: str
    why: str
    seconds: float
    fault: str


def examine_all(names: Iterable[str] | None, root: Path) -> dict[str, Examined]:
    """What became of each module, by name; each process takes every second one."""
    chosen = None if names is None else set(names)
    factories = [
        f"{file}:{name}"
        for file, kept in ((right.__file__, right.RIGHT), (wrong.__file__, wrong.WRONG))
        for name in kept
        if chosen is None or name in chosen
    ]
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn"), silence) as pool:
        parts = [pool.submit(examine, factories[start::PROCESSES], root / f"{start}") for start in range(PROCESSES)]
        return {examined.name: examined for part in parts for examined in part.result()}


def silence() -> None:
    """PyTorch's exporter prints pages where it refuses a module."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def rows(found: Iterable[Examined]) -> Iterator[Row]:
    """A row for each module and format."""
    for examined in found:
        for format in FORMATS:
            name = format.name
            is_wrong = examined.name in wrong.WRONG
            refused = is_wrong or name in LIMITS.get(examined.name, set())
            why = examined.refusals.get("module", examined.refusals.get(name, ""))
            seconds = examined.seconds.get(name, examined.seconds["module"])
            expected = "refused" if refused else "published"
            result = "refused" if why else "published"
            fault = _fault(examined, expected, result)
            yield Row(examined.name, name, expected, result, why, round(seconds, 2), fault)


def _fault(examined: Examined, expected: str, result: str) -> str:
    is_wrong = examined.name in wrong.WRONG
    if result == "refused" and expected == "published":
        return "refused by mistake"
    if result == "published" and is_wrong:
        return "published wrongly"
    if is_wrong:
        said = " ".join(examined.refusals.values())
        return "" if REASONS[examined.name] in said and "\n" not in said else "another reason"
    return "" if examined.scores == SCORES.get(examined.name, "logits") else "other scores"


def table(found: Sequence[Row]) -> Table:
    """The rows, with what is wrong first."""
    result = Table("module", "format", "expected", "result", "why", "seconds", "fault", box=None)
    for row in sorted(found, key=lambda row: (row.fault == "", row.expected, row.module)):
        words = (row.module, row.format, row.expected, row.result, row.why, f"{row.seconds:.1f}", row.fault)
        result.add_row(*words)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_zoo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/gate-zoo.json"), metavar="FILE")
    parser.add_argument("--modules", metavar="NAME,...", help="these alone, and nothing is written")
    options = parser.parse_args(arguments)
    names = None if options.modules is None else options.modules.split(",")
    with tempfile.TemporaryDirectory() as folder:
        found = list(rows(examine_all(names, Path(folder)).values()))
    counts = {fault: sum(row.fault == fault for row in found) for fault in FAULTS}
    terminal.console().print(table(found))
    modules = {row.module for row in found}
    summary = {"right": len(modules & set(right.RIGHT)), "wrong": len(modules & set(wrong.WRONG)), **counts}
    print("; ".join(f"{name}: {count}" for name, count in summary.items()))
    if names is None:
        text = json.dumps({**summary, "rows": [asdict(row) for row in found]}, indent=1)
        options.output.write_text(text + "\n")
    return 1 if any(counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
