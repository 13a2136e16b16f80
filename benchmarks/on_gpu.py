"""Run the artifacts on this machine's GPU: are they right there, and how fast?

    python -m benchmarks.on_gpu --output benchmarks/results/gpu.json

The network is ResNeXt101-32x4d with seeded weights; the reference is the eager module on the CPU. Each artifact runs on
the photographs of the gate, at the gate's batch sizes, and is held to the gate's tolerance. Times are medians over
alternating rounds, without the copies to and from the GPU. It needs neither Triton nor TensorRT.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import photographs, to_torchscript, weights
from tritonrepo.export.precision import HalfPrecision

Images = NDArray[np.float32]
Runner = Callable[[torch.Tensor], torch.Tensor]
SHAPE = (3, 224, 224)
LARGEST = 64
SIZES = (1, 3, 8, 64)
ROUNDS = 7
SHARES = {"FP32": 1e-3, "TF32": 5e-2, "FP16": 5e-2}
"""The gate's tolerances, in shares of the logits' spread. TF32 keeps 10 bits of a mantissa, as FP16 does."""


def compare(run: Runner, images: Images, wanted: Images, share: float) -> dict[str, object]:
    """The worst difference over the batch sizes, in shares of the spread, and the agreement of the best class."""
    spread = float(np.std(wanted - wanted.mean(axis=1, keepdims=True)))
    worst, agreement = 0.0, 1.0
    for size in SIZES:
        actual = run(torch.from_numpy(images[:size]).cuda()).float().cpu().numpy()
        worst = max(worst, float(np.abs(actual - wanted[:size]).max()) / spread)
        agreement = min(agreement, float(np.mean(actual.argmax(1) == wanted[:size].argmax(1))))
    return {"worst": worst, "tolerance": share, "within": worst <= share, "top1_agreement": agreement}


def milliseconds(run: Runner, images: torch.Tensor, repeats: int) -> float:
    """One call's time on the device, by its own clock."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    for _ in range(repeats):
        run(images)
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / repeats


def speeds(runners: dict[str, Runner], images: Images) -> dict[str, dict[str, float]]:
    """Images a second of each, by batch size: medians over rounds in which all take turns."""
    figures: dict[str, dict[str, float]] = {name: {} for name in runners}
    for size in SIZES:
        batch = torch.from_numpy(images[:size]).cuda()
        times: dict[str, list[float]] = {name: [] for name in runners}
        for round_ in range(ROUNDS + 1):
            for name, run in runners.items():
                time = milliseconds(run, batch, 10)
                if round_:  # the first warms up
                    times[name].append(time)
        for name, values in times.items():
            figures[name][str(size)] = size * 1000 / statistics.median(values)
    return figures


def torchscript(module: torch.nn.Module, folder: Path) -> Runner:
    """The artifact, traced on the CPU and moved to the GPU."""
    path = folder / "model.pt"
    to_torchscript.convert(module, SHAPE, path)
    return runner(torch.jit.load(path, map_location="cuda"))  # type: ignore[no-untyped-call]


def traced_with_tf32(module: torch.nn.Module) -> Runner:
    """A trace as PyTorch makes it by default: it keeps that convolutions may round to TF32."""
    with torch.no_grad():
        traced = torch.jit.trace(module, torch.zeros(2, *SHAPE), check_trace=False)  # type: ignore[no-untyped-call]
    return runner(traced.cuda())


def runner(traced: Runner) -> Runner:
    """What runs a trace without keeping gradients."""

    def run(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return traced(images)

    return run


def measure(output: Path) -> int:
    module, _ = weights.load("resnext101_32x4d", "seeded", lambda *_: None, print)
    images = photographs.batch(photographs.find(), Preprocessing(), LARGEST)
    with torch.inference_mode():
        wanted = torch.cat([module(part) for part in torch.split(torch.from_numpy(images), 16)]).numpy()
    result: dict[str, object] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    with tempfile.TemporaryDirectory() as folder:
        runners = {
            "FP32": torchscript(module, Path(folder)),
            "FP16": torchscript(HalfPrecision(module), Path(folder)),
            "TF32": traced_with_tf32(module),
        }
        checks = {name: compare(run, images, wanted, SHARES[name]) for name, run in runners.items()}
        result |= {"checks": checks, "images_per_second": speeds(runners, images)}
    text = json.dumps(result, indent=1)
    print(text)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text + "\n")
    return 0 if all(check["within"] for check in checks.values()) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.on_gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/gpu.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("error: PyTorch finds no GPU here; install its CUDA build on a machine with one", file=sys.stderr)
        return 3
    return measure(options.output)


if __name__ == "__main__":
    sys.exit(main())
