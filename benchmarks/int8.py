r"""What INT8 gains on a CPU, served: `onnx`, `onnx_int8`, and `onnx_int8` in OpenVINO, in one interleaved run.

    python -m benchmarks.int8                                           # ResNeXt101-32x4d with seeded weights
    python -m benchmarks.int8 --weights '' --name efficientnet_lite0 \
        --model examples/efficientnet_lite0.py:efficientnet_lite0
    python -m benchmarks.int8 --model benchmarks/vit.py:vit_s16 --weights '' --name vit_s16

It exports what is not there yet, serves all three with the embedded Triton, and lets `compare` drive them in windows
next to each other, four requests in flight. A ratio's interval is of the windows' own ratios, round by round. It wants
a quiet machine, and takes about 3 minutes after the export.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.compare import Plan, Report, measure, write_report
from tritonrepo.compare.cells import Cell
from tritonrepo.compare.intervals import Interval, interval
from tritonrepo.export import photographs
from tritonrepo.serve.triton import TritonServer

ACCELERATED = "_openvino"
AIMED = "resnext101_32x4d"
AIMS = {"onnx_int8": 1.35, "onnx_int8 in OpenVINO": 1.8}
"""How many times `onnx` each is to be for ResNeXt101-32x4d on AVX2 without VNNI."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.int8", description=__doc__.splitlines()[0])
    add_model_options(parser)
    parser.add_argument("--repository", type=Path, default=Path(".bench/int8"), metavar="DIR")
    add_load_options(parser)
    return parser


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """What `make` exports, and where the results go."""
    add = parser.add_argument
    add("--model", default="resnext101_32x4d", metavar="MODEL", help="as of `tritonrepo export`")
    add("--weights", default="seeded", help="as of `tritonrepo export`; empty: the source's own")
    add("--name", default="resnext101_32x4d", help="of the model in the repository and in the results")
    add("--output", type=Path, default=Path("benchmarks/results"), metavar="DIR")


def add_load_options(parser: argparse.ArgumentParser) -> None:
    """What `plan` and `make` read of the load."""
    add = parser.add_argument
    add("--concurrency", type=int, default=4, metavar="N")
    add("--batch-size", type=int, default=1, metavar="N")
    add("--max-batch-size", type=int, default=8, metavar="N", help="of the exported models")
    add("--windows", type=int, default=8, metavar="N")
    add("--window", type=float, default=4.0, metavar="SECONDS")


def export(options: argparse.Namespace) -> dict[str, str]:
    """Make what is not there; what is compared, in words, and its model."""
    plain = make(options, options.name, "onnx")
    rounded = make(options, options.name + ACCELERATED, "onnx_int8", "--onnx-accelerator", "openvino")
    return {
        "onnx": plain,
        "onnx_int8": without_accelerator(options.repository / rounded, f"{options.name}_onnx_int8"),
        "onnx_int8 in OpenVINO": rounded,
    }


def make(options: argparse.Namespace, name: str, format: str, *more: str) -> str:
    """Export this format under this name, if it is not there; the model's name."""
    made = f"{name}_{format}"
    if not (options.repository / made).exists():
        words = ["--model", options.model, "--name", name, "--formats", format, "--repository", str(options.repository)]
        words += ["--max-batch-size", str(options.max_batch_size), *more]
        if options.weights:
            words += ["--weights", options.weights]
        subprocess.run([sys.executable, "-m", "tritonrepo", "export", *words], check=True)
    return made


def without_accelerator(directory: Path, name: str) -> str:
    """The same file, which the gate ran in both runtimes, under another name and in ONNX Runtime."""
    copy = directory.with_name(name)
    if not copy.exists():
        copy_as(directory, copy, lambda config: config.optimization.ClearField("execution_accelerators"))
    return name


def copy_as(directory: Path, target: Path, change: Callable[[ModelConfig], object] = lambda config: None) -> None:
    """The same model in another directory, under its name and with a changed configuration."""
    shutil.copytree(directory, target)
    path = target / "config.pbtxt"
    config = text_format.Parse(path.read_text(), ModelConfig())
    config.name = target.name
    change(config)
    path.write_text(text_format.MessageToString(config))


def run(options: argparse.Namespace, models: dict[str, str]) -> Report:
    """Compare's own windows, over one server."""
    with TritonServer(options.repository) as server:
        return measure(plan(options, models), server.grpc_url)


def plan(options: argparse.Namespace, models: dict[str, str]) -> Plan:
    """Windows next to each other over all the models, on the sample photographs."""
    return Plan(
        images=[str(path) for path in photographs.find()],
        models=list(models.values()),
        batch_sizes=(options.batch_size,),
        concurrency=(options.concurrency,),
        windows=options.windows,
        most_windows=options.windows,
        window=options.window,
        repository=options.repository,
    )


def ratio(cell: Cell, base: Cell) -> Interval:
    """How many times the throughput of `base`, from each round's two windows: on a logarithmic scale, with 95%."""
    pairs = zip(cell.inferences_per_window, base.inferences_per_window, strict=True)
    found = interval([math.log(one / other) for one, other in pairs])
    return Interval(*(math.exp(value) for value in (found.mean, found.low, found.high)))


def figures(report: Report, models: dict[str, str]) -> dict[str, Any]:
    """What is stored: images a second, ratios to `onnx`, and agreement with it, each with its interval."""
    cells = {what: report.cells_of(model)[0] for what, model in models.items()}
    same = {agreement.model: agreement.top1 for agreement in report.agreements}
    found: dict[str, Any] = {
        "created": report.created,
        "machine": report.machine.cpu,
        "threads": report.machine.threads,
    }
    for what, cell in cells.items():
        speed, times = cell.images_per_second, ratio(cell, cells["onnx"])
        found[what] = {
            "images_per_second": [speed.mean, speed.low, speed.high],
            "times_onnx": [times.mean, times.low, times.high],
            "stable": cell.stable,
            "top1_as_onnx": same.get(models[what]),
        }
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    models = export(options)
    report = run(options, models)
    write_report(report, options.output / f"int8-{options.name}-report.json")
    found = {"model": options.name, "concurrency": options.concurrency, **figures(report, models)}
    (options.output / f"int8-{options.name}.json").write_text(json.dumps(found, indent=1) + "\n")
    for what in models:
        speed, times = (found[what][key] for key in ("images_per_second", "times_onnx"))
        aim = f"   aim {AIMS[what]}" if options.name == AIMED and what in AIMS else ""
        print(
            f"{what:22} {speed[0]:7.2f} images/s ({speed[1]:.2f} to {speed[2]:.2f})   "
            f"{times[0]:.2f} times onnx ({times[1]:.2f} to {times[2]:.2f}){aim}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
