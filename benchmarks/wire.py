"""Bytes on the wire and the client's CPU time for an image, for each kind of input, counted on the socket.

    python -m benchmarks.wire --count 400

The client is a process of its own, `tritonrepo classify`; a proxy between it and the embedded Triton counts what the
client sends. The network is a small one of the contract's shape, because the client never sees it. CPU time is what the
client used in all, less what it uses for no image but its start, over the images; medians of rounds in turn.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from rich.table import Table

from benchmarks.classify_throughput import make_photographs
from tritonrepo.cli import terminal
from tritonrepo.cli.main import main as command
from tritonrepo.serve.triton import TritonServer

FACTORY = """
import torch
from torch import nn


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 16, stride=16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000))
"""
INPUTS = ("fp32", "uint8")
ROUNDS = 3


class Meter:
    """A TCP proxy on a free port of the loopback interface that counts the bytes towards the server."""

    def __init__(self, host: str, port: int) -> None:
        self.sent = 0
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "{}:{}".format(*self._listener.getsockname())
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            far = socket.create_connection(self._server)
            threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        while data := source.recv(1 << 18):
            target.sendall(data)
            self.sent += len(data) if counted else 0
        target.shutdown(socket.SHUT_WR)


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


def measure(server: TritonServer, parent: Path, count: int) -> dict[tuple[str, str], tuple[float, float]]:
    """Bytes and CPU milliseconds of an image, by input and protocol."""
    one, many = parent / "one", parent / "many"
    for directory, size in ((one, 1), (many, count + 1)):
        directory.mkdir()
        make_photographs(directory, size)
    meters = {
        protocol: Meter("127.0.0.1", int(url.rsplit(":", 1)[1]))
        for protocol, url in (("grpc", server.grpc_url), ("http", server.http_url))
    }
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for kind in INPUTS:
            for protocol, meter in meters.items():
                few, start = classify(meter, f"small_{kind}_onnx", protocol, one)
                sent, used = classify(meter, f"small_{kind}_onnx", protocol, many)
                found.setdefault((kind, protocol), []).append(((sent - few) / count, (used - start) / count * 1000))
    return {
        key: (statistics.median(a for a, _ in ones), statistics.median(b for _, b in ones))
        for key, ones in found.items()
    }


def export(parent: Path) -> Path:
    """A repository with the small network for each kind of input."""
    (parent / "small.py").write_text(FACTORY)
    for kind in INPUTS:
        words = ["--model", f"{parent}/small.py:small", "--name", f"small_{kind}", "--input", kind]
        assert command(["export", *words, "--formats", "onnx", "--repository", str(parent / "models")]) == 0
    return parent / "models"


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.wire", description=str(__doc__).split("\n")[0])
    parser.add_argument("--count", type=int, default=400, metavar="N", help="images")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        parent = Path(temporary)
        with TritonServer(export(parent)) as server:
            found = measure(server, parent, options.count)
    table = Table(title=f"{options.count} photographs, {ROUNDS} rounds", title_justify="left")
    for column in ("input", "protocol", "bytes an image", "client CPU, ms an image"):
        table.add_column(column, justify="left" if column in ("input", "protocol") else "right")
    for (kind, protocol), (size, milliseconds) in found.items():
        table.add_row(kind, protocol, f"{size:,.0f}", f"{milliseconds:.2f}")
    terminal.console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
