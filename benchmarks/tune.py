"""What tuning gains, and whether it keeps its time: a search, then a fresh interleaved run of default and choice.

    python -m benchmarks.tune                                           # ResNeXt101-32x4d in ONNX, five minutes
    python -m benchmarks.tune --format torchscript --budget 120

It exports what is not there yet, tunes a copy of it, and lets `compare` drive what was there and what was chosen in
windows next to each other. It wants a quiet machine, and takes about two minutes beside the budget and the export.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import int8
from tritonrepo.compare import Plan, Report, TuningTask, measure, tune, write_report
from tritonrepo.compare.tuning.knobs import read_knobs
from tritonrepo.compare.tuning.outcome import Tuned
from tritonrepo.repository.layout import read_config
from tritonrepo.serve.triton import TritonServer

BEFORE, AFTER = "default", "tuned"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune", description=__doc__.splitlines()[0])
    int8.add_model_options(parser)
    add = parser.add_argument
    add("--format", default="onnx", help="of the model that is tuned")
    add("--budget", type=float, default=300.0, metavar="SECONDS", help="for the search")
    add("--concurrency", type=int, default=4, metavar="N")
    add("--windows", type=int, default=8, metavar="N", help="of the fresh run")
    add("--window", type=float, default=4.0, metavar="SECONDS")
    add("--max-batch-size", type=int, default=64, metavar="N", help="of the exported model")
    add("--repository", type=Path, default=Path(".bench/tune"), metavar="DIR")
    return parser


def run(options: argparse.Namespace, scratch: Path) -> tuple[Tuned, Report]:
    """Tune a copy; then both, under names of their own, in one server and in the same rounds."""
    directory = options.repository / int8.make(options, options.name, options.format)
    copy, both = scratch / "tuned", scratch / "both"
    copy.mkdir()
    both.mkdir()
    shutil.copytree(directory, copy / directory.name)
    int8.copy_as(directory, both / BEFORE)
    task = TuningTask(directory.name, copy, options.budget, concurrency=options.concurrency)
    tuned = tune(task, TritonServer)
    int8.copy_as(copy / directory.name, both / AFTER)
    plan = Plan(
        models=[BEFORE, AFTER],
        batch_sizes=(1,),
        concurrency=(options.concurrency,),
        windows=options.windows,
        most_windows=options.windows,
        window=options.window,
    )
    with TritonServer(both) as server:
        report = measure(plan, server.grpc_url)
    print({name: str(read_knobs(read_config(both / name))) for name in (BEFORE, AFTER)})
    return tuned, report


def figures(options: argparse.Namespace, tuned: Tuned, report: Report) -> dict[str, Any]:
    """What is stored."""
    before, after = (report.cells_of(name)[0] for name in (BEFORE, AFTER))
    times = int8.ratio(after, before)
    return {
        "created": report.created,
        "machine": report.machine.cpu,
        "threads": report.machine.threads,
        "model": f"{options.name}_{options.format}",
        "concurrency": options.concurrency,
        "budget_seconds": options.budget,
        "took_seconds": round(tuned.seconds, 1),
        "measured": len(tuned.cells),
        "before": str(tuned.own.knobs),
        "choice": str(tuned.challenger.knobs) if tuned.version is not None else str(tuned.own.knobs),
        "said": tuned.verdict.reason,
        "images_per_second": {
            cell.setting.model: [rate.mean, rate.low, rate.high]
            for cell in (before, after)
            for rate in [cell.images_per_second]
        },
        "p95_ms": {cell.setting.model: cell.percentile(95).mean for cell in (before, after)},
        "times": [times.mean, times.low, times.high],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    options.repository.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.repository.parent) as scratch:
        tuned, report = run(options, Path(scratch))
    found = figures(options, tuned, report)
    write_report(report, options.output / f"tune-{found['model']}-report.json")
    (options.output / f"tune-{found['model']}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    late = tuned.seconds > 1.05 * options.budget
    slower = found["times"][2] < 1
    return int(late or slower)


if __name__ == "__main__":
    sys.exit(main())
