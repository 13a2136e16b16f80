"""What the client weighs: its installed size and the time of its imports, against tritonclient alone, in one run.

    python -m benchmarks.client_weight

Three fresh virtual environments: an empty one, one with `tritonclient[grpc,http]`, and one with this checkout's wheel
without extras. A size is what an environment has more than the empty one, byte code included. The times are whole
processes of the third environment, in turn, so that a drift of the machine meets all of them; medians. Fails
(status 1) when the client is more than 1.5 times as large as tritonclient, or when `Classifier` or `--help` takes
more than 1.1 times as long as the import of tritonclient.grpc.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
BASELINE = "tritonclient[grpc,http]"
LARGEST = 1.5
# 0.87 on a quiet machine; the rest is the noise of a busy one.
SLOWEST = 1.1
MIB = 1 << 20

NOTHING = "python -c pass"
TRITONCLIENT = "import tritonclient.grpc"
CLASSIFIER = "from tritonrepo.client import Classifier"
BOTH = "Classifier, and its gRPC as at the first call"
HELP = "tritonrepo --help"


def run(command: Sequence[str], directory: Path) -> None:
    """Run it where nothing of the checkout can be imported."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, check=True, cwd=directory, env=clean, stdout=subprocess.DEVNULL)


def environment(parent: Path, name: str, packages: Sequence[str]) -> Path:
    """A fresh virtual environment with the packages."""
    directory = parent / name
    run([sys.executable, "-m", "venv", str(directory)], parent)
    if packages:
        pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, *packages], parent)
    return directory


def wheel(parent: Path) -> str:
    """This checkout as a wheel, made from its sdist: setuptools packs whatever an earlier build left in `build/`."""
    run([sys.executable, "-m", "build", "--outdir", str(parent), str(ROOT)], parent)
    (path,) = parent.glob("*.whl")
    return str(path)


def size(directory: Path) -> int:
    """Bytes of all its files."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


def packages(directory: Path) -> int:
    """How many distributions are there, pip and what comes with it aside."""
    found = {path.name for path in directory.rglob("*.dist-info")}
    return sum(not name.startswith(("pip-", "setuptools-")) for name in found)


def commands(directory: Path) -> dict[str, list[str]]:
    """What is timed, by what the table calls it."""
    python = str(directory / "bin" / "python")
    return {
        NOTHING: [python, "-c", "pass"],
        TRITONCLIENT: [python, "-c", TRITONCLIENT],
        CLASSIFIER: [python, "-c", CLASSIFIER],
        BOTH: [python, "-c", f"{CLASSIFIER}; Classifier; import tritonrepo.client.grpc_transport"],
        HELP: [str(directory / "bin" / "tritonrepo"), "--help"],
    }


def measure(timed: dict[str, list[str]], rounds: int, directory: Path) -> dict[str, float]:
    """Median seconds of each command."""
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for number in range(rounds + 1):
        for name, command in timed.items():
            begin = time.perf_counter()
            run(command, directory)
            if number:  # The first round warms the page cache and writes byte code.
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> int:
    """Measure, print, and compare with what is claimed."""
    parser = argparse.ArgumentParser("python -m benchmarks.client_weight", description=str(__doc__).split("\n")[0])
    parser.add_argument("--rounds", type=int, default=21)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        parent = Path(temporary)
        empty = size(environment(parent, "empty", ()))
        found = {
            BASELINE: environment(parent, "tritonclient", (BASELINE,)),
            "this client, without extras": environment(parent, "client", (wheel(parent),)),
        }
        sizes = {name: (size(directory) - empty) / MIB for name, directory in found.items()}
        counts = {name: packages(directory) for name, directory in found.items()}
        seconds = measure(commands(parent / "client"), args.rounds, parent)
    theirs, ours = sizes.values()
    console = Console(width=100)
    console.print(_size_table(sizes, counts), _time_table(seconds, args.rounds))
    kept = ours <= LARGEST * theirs and max(seconds[CLASSIFIER], seconds[HELP]) <= SLOWEST * seconds[TRITONCLIENT]
    return 0 if kept else 1


def _size_table(sizes: dict[str, float], counts: dict[str, int]) -> Table:
    table = Table("installed", title=f"Size on Python {sys.version.split()[0]}", title_justify="left")
    for column in ("packages", "MiB", "times"):
        table.add_column(column, justify="right")
    for name, mib in sizes.items():
        table.add_row(name.replace("[", r"\["), str(counts[name]), f"{mib:.1f}", f"{mib / sizes[BASELINE]:.2f}")
    return table


def _time_table(seconds: dict[str, float], rounds: int) -> Table:
    table = Table("process", title=f"Time, median of {rounds} rounds in turn", title_justify="left")
    for column in ("ms", "without Python itself", "times"):
        table.add_column(column, justify="right")
    baseline = seconds[TRITONCLIENT] - seconds[NOTHING]
    for name, whole in seconds.items():
        own = whole - seconds[NOTHING]
        table.add_row(name, f"{whole * 1e3:.0f}", f"{own * 1e3:.0f}", f"{own / baseline:.2f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
