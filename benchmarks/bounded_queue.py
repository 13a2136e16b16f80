"""What a bounded queue costs: one network, with and without `--max-queue-size`, in one interleaved run on one server.

    python -m benchmarks.bounded_queue

Triton hands a batch that is ready to an instance beforehand only where the queue has no bound, no timeout and no
priorities. Elsewhere its batcher waits for an instance that is free, in steps of 500 ms, and can miss that one is. The
run is stored in `--output`, and the table of `--readme` is written anew. It wants a quiet machine and takes 4 minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from benchmarks import int8
from tritonrepo.compare import Plan, Report, measure, write_report
from tritonrepo.compare.views.readme import replace_section
from tritonrepo.serve.triton import TritonServer

MARK = "bounded-queue"
BOUND = 256
PERCENTILES = (50, 95, 99)
BATCH_SIZES, CONCURRENCY = (1, 8), (1, 2, 4)


def bound(config: ModelConfig) -> None:
    """Let so many requests wait, and no more."""
    config.dynamic_batching.default_queue_policy.max_queue_size = BOUND


def models(options: argparse.Namespace) -> tuple[str, str]:
    """The network without a bound and with it, exported if it is not there."""
    free = int8.make(options, "free", "onnx")
    bounded = options.repository / "bounded_onnx"
    if not bounded.exists():
        int8.copy_as(options.repository / free, bounded, bound)
    policy = text_format.Parse((options.repository / free / "config.pbtxt").read_text(), ModelConfig())
    assert not policy.dynamic_batching.HasField("default_queue_policy")
    return free, bounded.name


def section(report: Report, free: str, bounded: str) -> str:
    """Markdown: a row for each load."""
    machine = f"{report.created[:10]}, {report.machine.cpu}, {report.machine.threads} threads"
    heads = ["batch", "concurrency", "images/s", *(f"p{percent} ms" for percent in PERCENTILES)]
    rows = [heads, ["---:"] * len(heads), *_rows(report, free, bounded)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{machine}; without a bound, and with one of {BOUND}, by `python -m benchmarks.bounded_queue`:\n\n{table}"


def _rows(report: Report, free: str, bounded: str) -> Iterator[list[str]]:
    for cell in report.cells_of(free):
        peer = report.peer(cell, bounded)
        assert peer is not None
        figures = [(one.images_per_second.mean, *(one.percentile(p).mean for p in PERCENTILES)) for one in (cell, peer)]
        setting = (str(cell.setting.batch_size), str(cell.setting.concurrency))
        yield [*setting, *(f"{ours:.0f}, {theirs:.0f}" for ours, theirs in zip(*figures, strict=True))]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bounded_queue", description=str(__doc__).split("\n")[0])
    add = parser.add_argument
    add("--repository", type=Path, default=Path(".bench/queue"), metavar="DIR")
    add("--model", default="examples/efficientnet_lite0.py:efficientnet_lite0", metavar="FILE:FACTORY")
    add("--output", type=Path, default=Path("benchmarks/results"), metavar="DIR")
    add("--readme", type=Path, default=Path("docs/serving.md"), metavar="FILE")
    options = parser.parse_args(arguments)
    options.max_batch_size, options.weights = max(BATCH_SIZES), ""
    free, bounded = models(options)
    plan = Plan(models=[free, bounded], batch_sizes=BATCH_SIZES, concurrency=CONCURRENCY, window=3.0, most_windows=5)
    with TritonServer(options.repository) as server:
        report = measure(plan, server.grpc_url)
    write_report(report, options.output / "bounded-queue.json")
    text = section(report, free, bounded)
    replace_section(options.readme, text, MARK)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
