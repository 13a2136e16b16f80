"""Bytes on the wire and the client's CPU time for an image, for each kind of input, counted on the socket.

    python -m benchmarks.wire --count 400

The client is a process of its own, `tritonrepo classify`; a proxy between it and the embedded Triton counts what the
client sends. The network is a small one of the contract's shape, because the client never sees it. CPU time is what the
client used in all, less what it uses for no image but its start, over the images; medians of rounds in turn. The result
is stored in `--output` as `wire.json`, and the section of `--readme` is written anew from it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.classify_throughput import SIZE, make_photographs
from benchmarks.meter import Meter
from tritonrepo.cli.main import main as command
from tritonrepo.compare.machine import describe_machine
from tritonrepo.compare.views.readme import replace_section
from tritonrepo.serve.triton import TritonServer

FACTORY = """
import torch
from torch import nn


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 16, stride=16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000))
"""
MODELS = {"fp32": "small_fp32_onnx", "uint8": "small_uint8_onnx", "encoded": "small_fp32_encoded"}
"""By kind of input; the last takes the file as it is."""
MARK = "wire"
ROUNDS = 3


def classify(meter: Meter, model: str, protocol: str, directory: Path) -> tuple[int, float]:
    """Bytes that a client sent in classifying the directory, and its CPU seconds."""
    before = meter.sent
    words = ["classify", str(directory), "--url", meter.url, "--protocol", protocol, "--model", model]
    process = subprocess.Popen(
        [sys.executable, "-m", "tritonrepo", *words, "--format", "json"], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"the client ended with {process.returncode}"
    return meter.sent - before, usage.ru_utime + usage.ru_stime


def measure(meters: dict[str, Meter], parent: Path, count: int) -> list[dict[str, Any]]:
    """Bytes and CPU milliseconds of an image, for each kind of input and each protocol; the files' own mean size."""
    one, many = parent / "one", parent / "many"
    for directory, size in ((one, 1), (many, count + 1)):
        directory.mkdir()
        make_photographs(directory, size)
    file = (sum(map(_size, many.iterdir())) - sum(map(_size, one.iterdir()))) / count
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for kind, model in MODELS.items():
            for protocol, meter in meters.items():
                few, start = classify(meter, model, protocol, one)
                sent, used = classify(meter, model, protocol, many)
                found.setdefault((kind, protocol), []).append(((sent - few) / count, (used - start) / count * 1000))
    return [
        {"input": kind, "protocol": protocol, "file_bytes": round(file)}
        | {"bytes": round(statistics.median(a for a, _ in ones)), "cpu_ms": statistics.median(b for _, b in ones)}
        for (kind, protocol), ones in found.items()
    ]


def _size(path: Path) -> int:
    return path.stat().st_size


def _meter(url: str) -> Meter:
    return Meter("127.0.0.1", int(url.rsplit(":", 1)[1]))


def export(parent: Path) -> Path:
    """A repository with the small network for each kind of input."""
    (parent / "small.py").write_text(FACTORY)
    for kind, more in {"fp32": ["--encoded"], "uint8": []}.items():
        words = ["--model", f"{parent}/small.py:small", "--name", f"small_{kind}", "--input", kind, *more]
        assert command(["export", *words, "--formats", "onnx", "--repository", str(parent / "models")]) == 0
    return parent / "models"


def section(stored: dict[str, Any], source: Path) -> str:
    """Markdown: a row for each kind of input, and how it was measured."""
    rows = [
        f"| {one['input']} | {one['protocol']} | {one['bytes']:,} | {one['cpu_ms']:.2f} |" for one in stored["inputs"]
    ]
    file = stored["inputs"][0]["file_bytes"]
    return "\n".join(
        [
            f"Measured on {stored['created'][:10]} on {stored['cpu']}, {stored['threads']} threads: {stored['images']} "
            f"photographs of {SIZE[0]}x{SIZE[1]}, JPEG files of {file:,} bytes on average.",
            "",
            "| input | protocol | bytes an image | client CPU, ms an image |",
            "| --- | --- | ---: | ---: |",
            *rows,
            "",
            "Counted on the socket between `tritonrepo classify` and the embedded Triton, a process for each run; "
            f"medians of {ROUNDS} rounds. With `encoded` the client sends the file as it is, one a request, and "
            f"decodes nothing. This section is generated: `python -m benchmarks.wire` writes it and `{source}`.",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.wire", description=str(__doc__).split("\n")[0])
    parser.add_argument("--count", type=int, default=400, metavar="N", help="images")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), metavar="DIR")
    parser.add_argument("--readme", type=Path, default=Path("docs/performance.md"), metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        parent = Path(temporary)
        with TritonServer(export(parent)) as server, _meter(server.grpc_url) as grpc, _meter(server.http_url) as http:
            found = measure({"grpc": grpc, "http": http}, parent, options.count)
    machine = describe_machine()
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    facts = {"created": created, "cpu": machine.cpu, "threads": machine.threads, "images": options.count}
    source = options.output / "wire.json"
    source.write_text(json.dumps({**facts, "inputs": found}, indent=1) + "\n")
    text = section(json.loads(source.read_text()), source)
    replace_section(options.readme, text, MARK)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
