"""Whether our load generator and NVIDIA's agree: the same cells of the same server, window by window in turn.

    python -m benchmarks.compare_crosscheck --repository model_repository --perf-analyzer PATH

Each round measures every cell once with each engine, one after the other, in alternating order, so that drift of the
machine hits both. A round's ratio compares its own two windows; the table gives medians over the rounds. The status is
1 if fewer than `--cells` cells agree within `--within` in both throughput and 95th percentile.

perf_analyzer 2.51.0 is in the wheel of tritonclient 2.51.0. Where the libraries that it needs (libb64, libcudart) are
not installed, those that nvidia-pytriton carries are lent to it.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tritonrepo.client.contract import read_contract
from tritonrepo.client.errors import TritonRepoError
from tritonrepo.client.transport import open_transport
from tritonrepo.compare.cells import Setting, Window
from tritonrepo.compare.engine import Engine
from tritonrepo.compare.inputs import prepare
from tritonrepo.compare.perf_analyzer import PerfAnalyzer, find_program
from tritonrepo.compare.plan import Plan
from tritonrepo.compare.python_engine import PythonEngine
from tritonrepo.compare.rounds import LATENCIES_PER_WINDOW, settings
from tritonrepo.compare.views.words import short_names
from tritonrepo.serve.errors import ServeError
from tritonrepo.serve.installation import find_installation
from tritonrepo.serve.triton import TritonServer

LENT = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}


@dataclass(frozen=True)
class Pair:
    """One cell's windows by both engines, a round each."""

    setting: Setting
    ours: tuple[Window, ...]
    theirs: tuple[Window, ...]

    def rates(self) -> list[tuple[float, float]]:
        """Images a second of both, a round each."""
        size = self.setting.batch_size
        return [(a.requests_per_second * size, b.requests_per_second * size) for a, b in self._rounds()]

    def tails(self) -> list[tuple[float, float]]:
        """95th percentiles of both in ms, a round each."""
        return [(a.percentiles[95], b.percentiles[95]) for a, b in self._rounds()]

    def _rounds(self) -> Iterator[tuple[Window, Window]]:
        return zip(self.ours, self.theirs, strict=True)

    def agrees(self, within: float) -> bool:
        return all(abs(ratio(figures) - 1) <= within for figures in (self.rates(), self.tails()))


def ratio(rounds: Sequence[tuple[float, float]]) -> float:
    """Theirs to ours."""
    return statistics.median(theirs / ours for ours, theirs in rounds)


def medians(rounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    ours, theirs = zip(*rounds, strict=True)
    return statistics.median(ours), statistics.median(theirs)


def build_parser() -> argparse.ArgumentParser:
    summary = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_crosscheck", description=summary)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR")
    parser.add_argument("--models", default="resnext101_32x4d_onnx,resnext101_32x4d_torchscript", metavar="A,B")
    parser.add_argument("--perf-analyzer", metavar="PATH", help="default: from the PATH")
    parser.add_argument("--batch-sizes", type=integers, default=[1, 2, 4], metavar="N,N", help="default: 1,2,4")
    # With more than one request in flight the batcher pairs them or not, by chance and for seconds on end; on a CPU the
    # two cases differ by more than the engines do.
    parser.add_argument("--concurrency", type=integers, default=[1], metavar="N,N", help="default: 1")
    parser.add_argument("--window", type=float, default=4.0, metavar="S", help="seconds per window (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--within", type=float, default=0.05, help="default: %(default)s")
    parser.add_argument("--cells", type=int, default=4, help="that have to agree (%(default)s)")
    return parser


def integers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


@contextmanager
def lent_libraries() -> Iterator[None]:
    """Put the libraries that perf_analyzer needs on the loader's path, under the names that it knows."""
    sources = find_installation().libraries
    with tempfile.TemporaryDirectory() as directory:
        for name, pattern in LENT.items():
            library = next((path for source in sources for path in source.glob(pattern)), None)
            if library is not None:
                (Path(directory) / name).symlink_to(library)
        before = os.environ.get("LD_LIBRARY_PATH", "")
        os.environ["LD_LIBRARY_PATH"] = f"{before}:{directory}" if before else directory
        yield
        os.environ["LD_LIBRARY_PATH"] = before


def measure(options: argparse.Namespace, server: TritonServer, cells: Sequence[Setting]) -> list[Pair]:
    transport = open_transport(server.grpc_url)
    contracts = {name: read_contract(transport, name) for name in options.models.split(",")}
    inputs = prepare([], next(iter(contracts.values())).preprocessing, max(options.batch_sizes))
    ours = PythonEngine(transport, contracts, inputs)
    windows: dict[str, dict[Setting, list[Window]]] = {side: {c: [] for c in cells} for side in ("ours", "theirs")}
    perf_analyzer = PerfAnalyzer(find_program(options.perf_analyzer), transport, "grpc", contracts, inputs)
    with closing(perf_analyzer) as theirs, Progress(transient=True) as progress:
        task = progress.add_task("windows", total=2 * options.rounds * len(cells))
        seconds = {c: max(options.window, LATENCIES_PER_WINDOW * theirs.warm_up(c, 0.5, 0.1) / 1e3) for c in cells}
        sides: list[tuple[str, Engine]] = [("ours", ours), ("theirs", theirs)]
        for _ in range(options.rounds):
            for cell in cells:
                for side, engine in sides:
                    windows[side][cell].append(engine.window(cell, seconds[cell]))
                    progress.advance(task)
            sides.reverse()
    transport.close()
    return [Pair(cell, tuple(windows["ours"][cell]), tuple(windows["theirs"][cell])) for cell in cells]


def make_table(pairs: Sequence[Pair], within: float) -> Table:
    names = short_names([pair.setting.model for pair in pairs])
    table = Table(title="Our engine against perf_analyzer", title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("model", no_wrap=True)
    for column in ("batch", "conc.", "images/s", "theirs", "", "p95 ms", "theirs", "", "agree"):
        table.add_column(column, justify="right", no_wrap=True)
    for pair in pairs:
        (rate, their_rate), (tail, their_tail) = medians(pair.rates()), medians(pair.tails())
        table.add_row(
            *(names[pair.setting.model], str(pair.setting.batch_size), str(pair.setting.concurrency)),
            *(f"{rate:.2f}", f"{their_rate:.2f}", f"{ratio(pair.rates()) - 1:+.1%}"),
            *(f"{tail:.1f}", f"{their_tail:.1f}", f"{ratio(pair.tails()) - 1:+.1%}"),
            "yes" if pair.agrees(within) else "no",
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    plan = Plan(batch_sizes=options.batch_sizes, concurrency=options.concurrency)
    cells = list(settings(plan, options.models.split(",")))
    try:
        with lent_libraries(), TritonServer(options.repository) as server:
            pairs = measure(options, server, cells)
    except (ServeError, TritonRepoError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    Console().print(make_table(pairs, options.within))
    agreeing = sum(pair.agrees(options.within) for pair in pairs)
    print(f"{agreeing} of {len(pairs)} cells agree within {options.within:.0%} in throughput and 95th percentile")
    return 0 if agreeing >= options.cells else 1


if __name__ == "__main__":
    sys.exit(main())
