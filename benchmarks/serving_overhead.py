"""What serving costs: the embedded Triton over gRPC against the same runtime in process, in one run.

    python -m benchmarks.serving_overhead --repository model_repository --model resnext101_32x4d_onnx

Each round measures both sides one after the other, in alternating order, so that drift of the machine hits both; a
round's ratio compares its own two windows, and the table gives medians over the rounds. Closed loop: `concurrency`
threads, each sending its next request when it has its answer. In process the threads share one session with the
runtime's default threads.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as triton_grpc
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tritonrepo.serve.errors import ServeError
from tritonrepo.serve.models import READY
from tritonrepo.serve.triton import TritonServer

INPUT, OUTPUT = "INPUT__0", "OUTPUT__0"
Infer = Callable[[], None]


@dataclass(frozen=True)
class Window:
    """What one side did in one window."""

    throughput: float
    """Inferences a second; an inference is one image."""
    latency_ms: float
    """Median of the requests."""


def measure(infer: Infer, concurrency: int, batch_size: int, seconds: float) -> Window:
    """Run `infer` from `concurrency` threads for `seconds`; requests that end later are not counted."""
    started = threading.Barrier(concurrency + 1)

    def work() -> list[tuple[float, float]]:
        started.wait()
        deadline = time.perf_counter() + seconds
        spans = []
        while (start := time.perf_counter()) < deadline:
            infer()
            spans.append((start, time.perf_counter()))
        return spans

    with ThreadPoolExecutor(concurrency) as pool:
        futures = [pool.submit(work) for _ in range(concurrency)]
        started.wait()
        begin = time.perf_counter()
        spans = [span for future in futures for span in future.result()]
    last = max(end for _, end in spans)
    return Window(
        throughput=len(spans) * batch_size / (last - begin),
        latency_ms=1000 * statistics.median(end - start for start, end in spans),
    )


def load_in_process(model: Path, backend: str, batch: NDArray[np.float32]) -> Infer:
    """Return a function that runs `batch` through the newest version of a model in this process."""
    version = max((path for path in model.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    if backend == "onnxruntime":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(version / "model.onnx"), providers=["CPUExecutionProvider"])
        return lambda: session.run([OUTPUT], {INPUT: batch})
    import torch

    module = torch.jit.load(str(version / "model.pt"), map_location="cpu")  # type: ignore[no-untyped-call]
    tensor = torch.from_numpy(batch)

    def infer() -> None:
        with torch.inference_mode():
            module(tensor)

    return infer


def connect(server: TritonServer, model: str, batch: NDArray[np.float32]) -> Infer:
    """Return a function that sends `batch` to a served model over gRPC and reads the answer."""
    client = triton_grpc.InferenceServerClient(server.grpc_url)
    outputs = [triton_grpc.InferRequestedOutput(OUTPUT)]

    def infer() -> None:
        tensor = triton_grpc.InferInput(INPUT, list(batch.shape), "FP32").set_data_from_numpy(batch)
        client.infer(model, [tensor], outputs=outputs).as_numpy(OUTPUT)

    return infer


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving_overhead", description=__doc__.splitlines()[0])
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR")
    parser.add_argument("--model", default="resnext101_32x4d_onnx", metavar="NAME")
    parser.add_argument("--concurrency", default=[1, 4], type=integers, metavar="N,N", help="default: 1,4")
    parser.add_argument("--batch-size", default=1, type=int, metavar="N")
    parser.add_argument("--seconds", default=2.0, type=float, help="length of a window; default: %(default)s")
    parser.add_argument("--rounds", default=20, type=int, help="windows on each side; default: %(default)s")
    return parser


def integers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def compare(options: argparse.Namespace, server: TritonServer) -> Table:
    status: Any = next((status for status in server.models() if status.name == options.model), None)
    if status is None or status.state != READY:
        raise ServeError(f"the model {options.model} of {options.repository} is not ready: {status}")
    batch = make_batch(server, options.model, options.batch_size)
    sides = {
        "in process": load_in_process(options.repository / options.model, status.backend, batch),
        "Triton, gRPC": connect(server, options.model, batch),
    }
    table = Table("Concurrency", "Side", "Inferences/s", "Latency p50 [ms]", "Ratio (min … max)", title=options.model)
    with Progress(transient=True) as progress:
        task = progress.add_task("windows", total=options.rounds * len(sides) * len(options.concurrency))
        for concurrency in options.concurrency:
            for infer in sides.values():
                measure(infer, concurrency, options.batch_size, options.seconds / 2)
            windows: dict[str, list[Window]] = {side: [] for side in sides}
            for index in range(options.rounds):
                for side in list(sides)[:: 1 if index % 2 else -1]:
                    windows[side].append(measure(sides[side], concurrency, options.batch_size, options.seconds))
                    progress.advance(task)
            add_rows(table, concurrency, windows)
    return table


def make_batch(server: TritonServer, model: str, batch_size: int) -> NDArray[np.float32]:
    client = triton_grpc.InferenceServerClient(server.grpc_url)
    shape = [int(size) for size in client.get_model_metadata(model).inputs[0].shape[1:]]
    client.close()
    return np.random.default_rng(0).standard_normal((batch_size, *shape)).astype(np.float32)


def add_rows(table: Table, concurrency: int, windows: dict[str, list[Window]]) -> None:
    baseline, *_ = windows.values()
    for side, measured in windows.items():
        ratios = [window.throughput / base.throughput for window, base in zip(measured, baseline, strict=True)]
        table.add_row(
            str(concurrency),
            side,
            f"{statistics.median(window.throughput for window in measured):.2f}",
            f"{statistics.median(window.latency_ms for window in measured):.1f}",
            f"{statistics.median(ratios):.3f} ({min(ratios):.3f} … {max(ratios):.3f})",
        )


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        with TritonServer(options.repository) as server:
            Console().print(compare(options, server))
    except ServeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
