"""What tuning gains, and whether it keeps its time: a search, then a fresh interleaved run of default and choice.

    python -m benchmarks.tune                                           # ResNeXt101-32x4d in ONNX, five minutes
    python -m benchmarks.tune --format torchscript --budget 120

It exports what is not there yet, tunes a copy of it, and lets `compare` drive what was there and what was chosen in
windows next to each other. It wants a quiet machine, and takes about two minutes beside the budget and the export.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from benchmarks.int8 import ratio
from tritonrepo.compare import Plan, Report, TuningTask, measure, tune, write_report
from tritonrepo.compare.tuning.knobs import read_knobs
from tritonrepo.compare.tuning.outcome import Tuned
from tritonrepo.repository.layout import read_config
from tritonrepo.serve.triton import TritonServer

BEFORE, AFTER = "default", "tuned"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--model", default="resnext101_32x4d", metavar="MODEL", help="as of `tritonrepo export`")
    add("--weights", default="seeded", help="as of `tritonrepo export`; empty: the source's own")
    add("--name", default="resnext101_32x4d", help="of the model in the repository and in the results")
    add("--format", default="onnx", help="of the model that is tuned")
    add("--budget", type=float, default=300.0, metavar="SECONDS", help="for the search")
    add("--concurrency", type=int, default=4, metavar="N")
    add("--windows", type=int, default=8, metavar="N", help="of the fresh run")
    add("--window", type=float, default=4.0, metavar="SECONDS")
    add("--repository", type=Path, default=Path(".bench/tune"), metavar="DIR")
    add("--output", type=Path, default=Path("benchmarks/results"), metavar="DIR")
    return parser


def export(options: argparse.Namespace) -> Path:
    """Make the model, if it is not there; its directory."""
    directory: Path = options.repository / f"{options.name}_{options.format}"
    if not directory.exists():
        words = ["--model", options.model, "--name", options.name, "--formats", options.format]
        words += ["--weights", options.weights] if options.weights else []
        command = [sys.executable, "-m", "tritonrepo", "export", *words, "--repository", str(options.repository)]
        subprocess.run(command, check=True)
    return directory


def copy_as(directory: Path, target: Path) -> None:
    """The same model under another name."""
    shutil.copytree(directory, target)
    path = target / "config.pbtxt"
    config = text_format.Parse(path.read_text(), ModelConfig())
    config.name = target.name
    path.write_text(text_format.MessageToString(config))


def run(options: argparse.Namespace, scratch: Path) -> tuple[Tuned, Report]:
    """Tune a copy; then both, under names of their own, in one server and in the same rounds."""
    directory = export(options)
    copy, both = scratch / "tuned", scratch / "both"
    copy.mkdir()
    both.mkdir()
    shutil.copytree(directory, copy / directory.name)
    copy_as(directory, both / BEFORE)
    task = TuningTask(directory.name, copy, options.budget, concurrency=options.concurrency)
    tuned = tune(task, TritonServer)
    copy_as(copy / directory.name, both / AFTER)
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
    times = ratio(after, before)
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
