"""What the guard in front of HTTP costs: latency and throughput, with it and without, in turns on one server.

python -m benchmarks.guard_cost --repository model_repository --model efficientnet_lite0_onnx
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tritonclient.http as triton

from tritonrepo.client.server_key import HTTP_HEADER
from tritonrepo.serve.door import Door
from tritonrepo.serve.guard import Guard
from tritonrepo.serve.ports import ADDRESS
from tritonrepo.serve.triton import TritonServer

ROUNDS = 7
REQUESTS = 40


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard_cost", description=__doc__.splitlines()[0])
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR")
    parser.add_argument("--model", default="resnext101_32x4d_onnx", metavar="NAME")
    parser.add_argument("--concurrency", type=int, default=2, metavar="N")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/guard_cost.json"), metavar="FILE")
    return parser


def load(address: str, headers: dict[str, str], model: str, tensor: triton.InferInput, times: list[float]) -> None:
    """Send `REQUESTS` requests, one after the other, and note the seconds of each."""
    client = triton.InferenceServerClient(address, network_timeout=300)
    for _ in range(REQUESTS):
        start = time.perf_counter()
        client.infer(model, [tensor], headers=headers)
        times.append(time.perf_counter() - start)
    client.close()


def round_(
    address: str, headers: dict[str, str], options: argparse.Namespace, tensor: triton.InferInput
) -> list[float]:
    """The seconds of the requests of one round, and at the end the requests a second."""
    times: list[float] = []
    arguments = (address, headers, options.model, tensor, times)
    threads = [threading.Thread(target=load, args=arguments) for _ in range(options.concurrency)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [*times, len(times) / (time.perf_counter() - start)]


def measure(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The medians over the rounds: p50 and p95 in milliseconds, and requests a second."""
    with TritonServer(options.repository, door=Door()) as server:
        shape = [1, *map(int, server.read_metadata(options.model)["inputs"][0]["shape"][1:])]
        images = np.random.default_rng(0).random(shape, np.float32)
        tensor = triton.InferInput("INPUT__0", shape, "FP32").set_data_from_numpy(images)
        with Guard(lambda: (server.http_url, server.key), Door(), 0) as guard:
            ways = {
                "direct": (server.http_url, {HTTP_HEADER: server.key}),
                "guarded": (f"{ADDRESS}:{guard.port}", dict[str, str]()),
            }
            rounds: dict[str, list[list[float]]] = {name: [] for name in ways}
            for number in range(ROUNDS + 1):
                for name, (address, headers) in ways.items():
                    figures = round_(address, headers, options, tensor)
                    if number:  # the first warms up
                        rounds[name].append(figures)
    return {name: summary(figures) for name, figures in rounds.items()}


def summary(rounds: Sequence[Sequence[float]]) -> dict[str, float]:
    """The medians of several rounds."""
    return {
        "p50_ms": statistics.median(float(np.percentile(times[:-1], 50)) * 1000 for times in rounds),
        "p95_ms": statistics.median(float(np.percentile(times[:-1], 95)) * 1000 for times in rounds),
        "requests_per_second": statistics.median(times[-1] for times in rounds),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    figures = {"model": options.model, "concurrency": options.concurrency, **measure(options)}
    text = json.dumps(figures, indent=1)
    print(text)
    options.output.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
