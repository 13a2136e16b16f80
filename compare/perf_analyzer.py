"""NVIDIA's load generator as the engine: one run of `perf_analyzer` is one window."""

from __future__ import annotations

import base64
import csv
import json
import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tritonrepo.client.connection import parse_address
from tritonrepo.client.contract import ModelContract
from tritonrepo.client.errors import MissingError, RequestError
from tritonrepo.client.transport import Transport
from tritonrepo.compare.cells import PERCENTILES, Growth, Setting, Split, Window
from tritonrepo.compare.counters import read_counters, split_between
from tritonrepo.compare.inputs import Inputs
from tritonrepo.compare.python_engine import PythonEngine

PASSES = 3
"""It always wants three measurements that agree; any three do, since the stability is judged over our windows."""
ANY_STABILITY = 999
LATENCIES_PER_PASS = 2
REQUESTS_PER_PASS = 15
"""Of an open loop: its rate is a count of requests over a pass, and one more or less should not matter."""
EMPTY_PASS = "No valid requests recorded"
"""What it says when no request began and ended in a pass."""
LONGEST_PASS = 60_000
"""How long a pass may get on that account, in ms."""
START_SECONDS = 120
_MICROSECONDS_PER_MS = 1e3


@dataclass(frozen=True)
class Program:
    """The executable.

    Attributes:
        path: Where it is.
        version: What it says of itself.
    """

    path: str
    version: str


def find_program(path: str | None = None) -> Program:
    """The program at that path, or the one on the PATH.

    Raises:
        MissingError: It is not there, or does not start; the message says where to get it and what it needs.
    """
    found = shutil.which(path or "perf_analyzer")
    if found is None:
        raise MissingError(
            f"no program {path or 'perf_analyzer'}. It is in NVIDIA's SDK image (deploy/perf_analyzer.sh), and in "
            "the wheel of tritonclient 2.51.0 (pip download --no-deps tritonclient==2.51.0, then unzip); give its path "
            "with --perf-analyzer."
        )
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60)
    version = re.search(r"Version (\S+)", answer.stdout + answer.stderr)
    if answer.returncode != 0 or not version:
        raise MissingError(
            f"{found} does not start: {_last_line(answer.stderr + answer.stdout)}\n"
            "It needs Debian's libb64-0d, and CUDA's libcudart.so.12 (pip install nvidia-cuda-runtime-cu12, and put "
            "its lib directory on LD_LIBRARY_PATH)."
        )
    return Program(found, version.group(1))


class PerfAnalyzer:
    """The engine. It keeps the inputs in temporary files for the program to read, until it is closed.

    The warm-up is the Python engine's, whose average latency also says how long a pass has to be.
    """

    name = "perf_analyzer"

    def __init__(
        self,
        program: Program,
        transport: Transport,
        protocol: str,
        contracts: Mapping[str, ModelContract],
        inputs: Inputs,
        distribution: str = "constant",
        server_memory: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Write the inputs down.

        Args:
            program: To run.
            transport: To the same server, for the warm-up and the statistics.
            protocol: `grpc` or `http`.
            contracts: By model.
            inputs: What every model gets.
            distribution: Of an open loop's requests.
            server_memory: Reads the server's memory (MiB) after each window, where it can be read.
        """
        self.version = program.version
        self._program, self._transport, self._protocol, self._contracts = program, transport, protocol, contracts
        self._distribution, self._server_memory = distribution, server_memory
        self._latencies: dict[Setting, float] = {}
        self._python = PythonEngine(transport, contracts, inputs)
        self._directory = tempfile.TemporaryDirectory(prefix="perf_analyzer_")
        for contract in contracts.values():
            self._data(contract).write_text(_input_data(contract, inputs))

    def close(self) -> None:
        """Remove the temporary files."""
        self._directory.cleanup()

    def warm_up(self, setting: Setting, seconds: float, stability: float) -> float:
        """Let the Python engine do it; see `Engine`."""
        self._latencies[setting] = self._python.warm_up(setting, seconds, stability)
        return self._latencies[setting]

    def window(self, setting: Setting, seconds: float) -> Window:
        """Run the program once; see `Engine`."""
        before = read_counters(self._transport, setting.model)
        report = Path(self._directory.name) / "report.csv"
        report.unlink(missing_ok=True)
        interval = self._interval(setting, seconds)
        done = self._run(setting, interval, report)
        while EMPTY_PASS in done.stderr and interval <= LONGEST_PASS:
            interval *= 2
            done = self._run(setting, interval, report)
        if done.returncode != 0 or not report.exists():
            raise RequestError(f"perf_analyzer failed ({done.returncode}): {_last_line(done.stderr or done.stdout)}")
        window = parse(done.stdout, report.read_text(), setting, PASSES * interval / 1000)
        counted = split_between(before, read_counters(self._transport, setting.model))
        if window.split and counted:
            window = replace(window, split=replace(window.split, executions=counted.executions))
        return replace(window, server_memory=self._server_memory())

    def _interval(self, setting: Setting, seconds: float) -> int:
        """The length of a pass, in ms."""
        interval = max(1000 * seconds / PASSES, LATENCIES_PER_PASS * self._latencies[setting])
        if setting.request_rate is not None:
            interval = max(interval, 1000 * REQUESTS_PER_PASS / setting.request_rate)
        return math.ceil(interval)

    def _run(self, setting: Setting, interval: int, report: Path) -> subprocess.CompletedProcess[str]:
        limit = START_SECONDS + 10 * PASSES * interval / 1000
        try:
            return subprocess.run(
                self._command(setting, interval, report),
                capture_output=True,
                text=True,
                timeout=limit,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired as exc:
            raise RequestError(f"perf_analyzer did not end within {limit:.0f} s") from exc

    def _command(self, setting: Setting, interval: int, report: Path) -> list[str]:
        load = (
            ["--concurrency-range", str(setting.concurrency)]
            if setting.request_rate is None
            else ["--request-rate-range", str(setting.request_rate), "--request-distribution", self._distribution]
        )
        return [
            self._program.path,
            *("-m", setting.model, "-u", parse_address(self._transport.url, self._protocol), "-i", self._protocol),
            *("-b", str(setting.batch_size), *load),
            *("-p", str(interval), "-r", str(PASSES), "-s", str(ANY_STABILITY)),
            *("--input-data", str(self._data(self._contracts[setting.model]))),
            *("-f", str(report), "--verbose-csv"),
        ]

    def _data(self, contract: ModelContract) -> Path:
        return Path(self._directory.name) / f"{contract.input.name}.json"


def parse(text: str, report: str, setting: Setting, seconds: float) -> Window:
    """A window from what the program says.

    Args:
        text: Its terminal output.
        report: Its verbose CSV, whose times are microseconds.
        setting: What it ran under.
        seconds: How long the window took.

    Raises:
        RequestError: A figure is missing; another version may print other words.
    """
    try:
        row = {name: value for name, value in next(csv.DictReader(report.splitlines())).items() if name}
        count = re.search(r"Request count: (\d+)", text)
        deviation = re.search(r"Avg latency: .*standard deviation (\d+) usec", text)
        if count is None or deviation is None:
            raise KeyError("Request count" if count is None else "standard deviation")
        rate = float(row["Inferences/Second"]) / setting.batch_size
        split = Split(
            queue=_milliseconds(row["Server Queue"]),
            compute_input=_milliseconds(row["Server Compute Input"]),
            compute_infer=_milliseconds(row["Server Compute Infer"]),
            compute_output=_milliseconds(row["Server Compute Output"]),
        )
        return Window(
            seconds=seconds,
            requests=int(count.group(1)),
            requests_per_second=rate,
            average=_milliseconds(row["Avg latency"]),
            standard_deviation=_milliseconds(deviation.group(1)),
            percentiles={percent: _milliseconds(row[f"p{percent} latency"]) for percent in PERCENTILES},
            split=split,
            growth=Growth(math.nan, math.nan, setting.request_rate, rate) if setting.request_rate else None,
        )
    except (KeyError, ValueError, StopIteration) as exc:
        raise RequestError(f"perf_analyzer's report has no usable {exc}") from exc


def _milliseconds(microseconds: str) -> float:
    return float(microseconds) / _MICROSECONDS_PER_MS


def _input_data(contract: ModelContract, inputs: Inputs) -> str:
    """The images in perf_analyzer's JSON format; it makes its batches of consecutive ones, as we do."""
    shape = list(contract.input.shape)
    return json.dumps(
        {
            "data": [
                {contract.input.name: {"b64": base64.b64encode(tensor.tobytes()).decode(), "shape": shape}}
                for tensor in inputs.tensors
            ]
        }
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
