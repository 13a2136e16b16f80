"""How well `tritonrepo plan` predicts: the 95th percentile of the embedded Triton, predicted and measured.

    python -m benchmarks.plan                                       # a network of its own: 9 minutes
    python -m benchmarks.plan --repository model_repository --model resnext101_32x4d_onnx
    python -m benchmarks.plan --waiting                             # a model that only waits: the queue by itself

A closed loop is measured, as `compare` does it, and gives the prediction. Then requests come at random at 30%, 60% and
80% of the capacity that it predicts; the loop at 30% also says how executions scatter. Rounds of both
follow each other, because a shared machine is now faster and now slower. Both runs are stored as reports, so that
`tritonrepo plan` shows the same again:

    tritonrepo plan benchmarks/results/plan-waiting-*.json --rate 1000 --p95-ms 500
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from tritonrepo.cli import terminal
from tritonrepo.cli.main import main as command
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.compare import Plan, Report, measure, write_report
from tritonrepo.compare.capacity.sizing import Check, Demand, Fleet, merge, size
from tritonrepo.serve.triton import TritonServer

RESULTS = Path(__file__).parent / "results"
FACTORY = """
import torch
from torch import nn


def middling():
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Conv2d(96, 96, 3, padding=1), nn.ReLU()) for _ in range(12)]
    return nn.Sequential(
        nn.Conv2d(3, 96, 7, stride=4, padding=3), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(96, 1000),
    )
"""
WAITING = """
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        sizes = [pb_utils.get_input_tensor_by_name(request, "INPUT__0").as_numpy().shape[0] for request in requests]
        time.sleep(0.06 + 0.015 * sum(sizes))
        scores = [pb_utils.Tensor("OUTPUT__0", np.zeros((size, 2), np.float32)) for size in sizes]
        return [pb_utils.InferenceResponse([score]) for score in scores]
"""
WAITING_CONFIG = """
name: "waiting"
backend: "python"
max_batch_size: 8
input { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3, 8, 8 ] }
output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }
instance_group { kind: KIND_CPU count: 1 }
dynamic_batching { }
parameters { key: "preprocessing" value { string_value: "PREPROCESSING" } }
"""
PREPROCESSING = Preprocessing(resize=8, crop=8).to_json().replace('"', '\\"')
SHARES = (0.3, 0.6, 0.8)
AIM = 0.2
"""So far a prediction may be off."""
ANY = Demand(rate=1.0, p95=1e6, utilisation=0.8)
"""A demand that every configuration meets: what is asked of `size` is its capacity and its checks."""


@contextmanager
def repository(options: argparse.Namespace) -> Iterator[Path]:
    """The one that is named, or one with a network of some 45 ms."""
    if options.repository:
        yield options.repository
        return
    with tempfile.TemporaryDirectory() as temporary:
        if options.waiting:
            yield waiting(Path(temporary))
            return
        factory, models = Path(temporary) / "middling.py", Path(temporary) / "models"
        factory.write_text(FACTORY)
        words = ["--model", f"{factory}:middling", "--formats", "onnx", "--repository", str(models)]
        assert command(["export", *words]) == 0
        yield models


def waiting(root: Path) -> Path:
    """One with a model that takes 60 ms and 15 ms for each image and computes nothing."""
    (root / "waiting" / "1").mkdir(parents=True)
    (root / "waiting" / "1" / "model.py").write_text(WAITING)
    (root / "waiting" / "labels.txt").write_text("a\nb\n")
    (root / "waiting" / "config.pbtxt").write_text(WAITING_CONFIG.replace("PREPROCESSING", PREPROCESSING))
    return root


def run(options: argparse.Namespace) -> tuple[Report, Report]:
    """A closed loop, and open loops at shares of the capacity that follows from it, in turn."""
    closed, opened = [], []
    with repository(options) as models, TritonServer(models) as server:
        for seed in range(options.rounds):
            closed.append(measure(closed_loop(options), server.grpc_url))
            (fleet,) = size(closed[:1], ANY).fleets
            opened.append(measure(open_loop(options, fleet, seed), server.grpc_url))
    return together(closed), together(opened)


def closed_loop(options: argparse.Namespace) -> Plan:
    """Requests alone, and requests that wait."""
    return Plan(
        models=[options.model] if options.model else None,
        batch_sizes=(1,),
        concurrency=(1, 2, 4, 16),
        window=options.window,
        windows=3,
        most_windows=3,
    )


def open_loop(options: argparse.Namespace, fleet: Fleet, seed: int) -> Plan:
    """Requests at random times."""
    return Plan(
        models=[fleet.model],
        batch_sizes=(1,),
        request_rates=[round(share * fleet.capacity, 2) for share in SHARES],
        distribution="poisson",
        seed=seed,
        window=options.open_window,
        windows=3,
        most_windows=3,
    )


def together(reports: Sequence[Report]) -> Report:
    """One report with the windows of all."""
    (cells,) = merge(reports).values()
    return replace(reports[0], cells=tuple(cells), duration=sum(report.duration for report in reports))


def table(checks: tuple[Check, ...], fleet: Fleet) -> Table:
    """A row for each rate."""
    found = Table(title=f"{fleet.model}: {fleet.capacity:.1f} images/s at most, 95th percentile in ms")
    for column in ("of capacity", "images/s", "predicted", "measured", "off by"):
        found.add_column(column, justify="right")
    for check in checks:
        figures = (f"{check.rate:.1f}", f"{check.predicted:.1f}", f"{check.measured:.1f}")
        found.add_row(f"{check.utilisation:.0%}", *figures, f"{check.error:+.1%}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.plan", description=str(__doc__).split("\n")[0])
    parser.add_argument("--repository", type=Path, metavar="DIR", help="without it, a network of its own")
    parser.add_argument("--waiting", action="store_true", help="a model that computes nothing, on a machine at work")
    parser.add_argument("--model", metavar="NAME", help="needed where the repository has several")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="of both loops in turn (%(default)s)")
    parser.add_argument("--window", type=float, default=3.0, metavar="S", help="of the closed loop (%(default)g)")
    parser.add_argument("--open-window", type=float, default=6.0, metavar="S", help="of the open loop (%(default)g)")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR", help="for the reports (%(default)s)")
    options = parser.parse_args()
    closed, opened = run(options)
    name = "plan-waiting" if options.waiting else "plan"
    write_report(closed, options.output / f"{name}-closed.json")
    write_report(opened, options.output / f"{name}-open.json")
    sizing = size([closed, opened], ANY)
    terminal.console().print(table(sizing.checks, sizing.fleets[0]))
    missed = [check for check in sizing.checks if abs(check.error) > AIM]
    return 1 if missed or len(sizing.checks) < len(SHARES) else 0


if __name__ == "__main__":
    sys.exit(main())
