"""What an export costs, step by step: seconds and peak memory, against the bare conversions in the same run.

    python -m benchmarks.export_cost

The baseline is what one cannot do without: PyTorch's own tracer and ONNX exporter, and saving what they return, with
no verification, configuration or publication. Both run in a process of their own, started for each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tritonrepo.cli import terminal

TARGET_SECONDS = 45
TARGET_GB = 3.0


class Stopwatch:
    """Seconds and peak resident memory of each step of this process; writing 5 to clear_refs resets Linux's peak."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float, float]] = []
        self._name, self._started = "start: import the libraries", time.perf_counter()

    def begin(self, name: str) -> None:
        self._end()
        self._name, self._started = name, time.perf_counter()
        Path("/proc/self/clear_refs").write_text("5")

    def finish(self) -> list[tuple[str, float, float]]:
        self._end()
        return self.steps

    def _end(self) -> None:
        status = Path("/proc/self/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        self.steps.append((self._name, time.perf_counter() - self._started, peak / 1e6))


def whole(model: str, repository: Path) -> list[tuple[str, float, float]]:
    """The export as `tritonrepo export` does it."""
    stopwatch = Stopwatch()
    from tritonrepo.export.options import Options, Watcher
    from tritonrepo.export.steps import build
    from tritonrepo.repository.formats import ONNX, TORCHSCRIPT

    options = Options(model, "seeded", (TORCHSCRIPT, ONNX), repository)
    result = build(options, Watcher(step=stopwatch.begin))
    assert not result.errors
    return stopwatch.finish()


def bare(model: str, directory: Path) -> list[tuple[str, float, float]]:
    """The conversions alone."""
    stopwatch = Stopwatch()
    from tritonrepo.export import models, to_onnx, to_torchscript
    from tritonrepo.export.options import Options, Watcher

    stopwatch.begin("network and weights")
    loaded = models.load(Options(model, "seeded", (), directory), Watcher())
    module, spec = loaded.module, loaded.spec
    stopwatch.begin("torchscript: convert")
    to_torchscript.convert(module, spec.image_shape, directory / "model.pt")
    stopwatch.begin("onnx: convert")
    to_onnx.convert(module, spec.image_shape, directory / "model.onnx")
    return stopwatch.finish()


def measure(side: str, model: str) -> list[tuple[str, float, float]]:
    """Run one side in a fresh process and directory."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "benchmarks.export_cost", "--model", model, "--side", side, directory]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [(name, seconds, peak) for name, seconds, peak in json.loads(output.splitlines()[-1])]


def present(title: str, steps: list[tuple[str, float, float]], console: Console) -> tuple[float, float]:
    """Print a table; the seconds in all and the highest peak."""
    table = Table(title=title, title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("peak GB", justify="right")
    for name, seconds, peak in steps:
        table.add_row(name, f"{seconds:.1f}", f"{peak:.2f}")
    total, highest = sum(step[1] for step in steps), max(step[2] for step in steps)
    table.add_section()
    table.add_row("all", f"{total:.1f}", f"{highest:.2f}")
    console.print(table)
    return total, highest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnext101_32x4d")
    parser.add_argument("--side", choices=("whole", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("directory", nargs="?", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        run = {"whole": whole, "bare": bare}[options.side]
        print(json.dumps(run(options.model, options.directory / "models" if run is whole else options.directory)))
        return 0
    console = terminal.console()
    baseline, _ = present("bare conversions", measure("bare", options.model), console)
    seconds, peak = present("tritonrepo export", measure("whole", options.model), console)
    console.print(
        f"{options.model}: both formats, verified and published, in {seconds:.1f} s ({seconds / baseline:.2f} times "
        f"the bare conversions) with {peak:.2f} GB at the peak; aim: {TARGET_SECONDS} s and {TARGET_GB:g} GB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
