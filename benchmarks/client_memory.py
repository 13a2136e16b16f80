"""Peak memory of the client process against the number of images: flat, from 500 to 5,000.

    python -m benchmarks.client_memory --repository model_repository --model resnext101_32x4d_onnx --counts 500,5000

Each count is a process of its own, `tritonrepo classify DIR --format json`, whose peak resident size is the
kernel's VmHWM. The model matters little (the client never sees it), so a small one saves time; without --repository
one is made: a network of one convolution, 224x224, 1000 classes. Fails (status 1) when the peaks differ by over 10%.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.classify_throughput import make_photographs
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.serve.triton import TritonServer

MOST = 0.10
DISTINCT = 100


def peak_mib(url: str, model: str, directory: Path) -> float:
    """Peak resident size, in MiB, of a process that classifies the directory."""
    command = [sys.executable, "-m", "tritonrepo", "classify", str(directory), "--url", url, "--model", model]
    process = subprocess.Popen([*command, "--format", "json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"the client ended with {process.returncode}"
    return usage.ru_maxrss / 1024


def make_directory(parent: Path, count: int) -> Path:
    """`count` photographs, of which 100 are different; the others are links."""
    directory = parent / str(count)
    directory.mkdir()
    make_photographs(directory, min(count, DISTINCT))
    for number in range(DISTINCT, count):
        (directory / f"{number:05}.jpg").hardlink_to(directory / f"{number % DISTINCT:05}.jpg")
    return directory


def make_repository(parent: Path) -> str:
    """A model of the contract's shape that takes no time; its name."""
    import torch
    from torch import nn

    module = nn.Sequential(nn.Conv2d(3, 8, 16, stride=16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000))
    version = parent / "small_torchscript" / "1"
    version.mkdir(parents=True)
    torch.jit.trace(module.eval(), torch.zeros(2, 3, 224, 224)).save(str(version / "model.pt"))  # type: ignore[no-untyped-call]
    preprocessing = Preprocessing().to_json().replace('"', '\\"')
    (version.parent / "config.pbtxt").write_text(
        'backend: "pytorch" default_model_filename: "model.pt" max_batch_size: 64\n'
        'input { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }\n'
        'output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 1000 ] }\n'
        f'parameters {{ key: "preprocessing" value {{ string_value: "{preprocessing}" }} }}\n'
    )
    return version.parent.name


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.client_memory", description=str(__doc__).split("\n")[0])
    parser.add_argument("--repository", type=Path)
    parser.add_argument("--model", default="resnext101_32x4d_onnx")
    parser.add_argument("--counts", default="500,5000")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        parent = Path(temporary)
        model = args.model if args.repository else make_repository(parent / "repository")
        with TritonServer(args.repository or parent / "repository") as server:
            peaks = []
            for count in map(int, args.counts.split(",")):
                peaks.append(peak_mib(server.grpc_url, model, make_directory(parent, count)))
                print(f"{count:>6} images: peak {peaks[-1]:.1f} MiB", flush=True)
    change = max(peaks) / min(peaks) - 1
    print(f"largest over smallest: {change:+.1%}")
    return 0 if change <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
