"""What the client costs: photographs classified against what the server itself reaches with ready-made tensors.

    python -m benchmarks.classify_throughput --repository model_repository --model resnext101_32x4d_onnx

The embedded Triton serves on the same machine, so that client and server share its cores. Two sides, in turn: the
client's whole pipeline over JPEG files of 500x375 (ImageNet's usual size), and a closed loop that sends one tensor
again and again with the same batch size, concurrency and protocol. Fails (status 1) below 0.95.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from tritonrepo.client import Classifier, Connection, Options
from tritonrepo.client.transport import Inference
from tritonrepo.serve.triton import TritonServer

LEAST = 0.95
SIZE = (500, 375)
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "ihc.png")


def make_photographs(directory: Path, count: int) -> None:
    """JPEGs cut at random from scikit-image's photographs."""
    spec = importlib.util.find_spec("skimage")
    folder = Path(str(spec and spec.origin)).parent / "data"
    rng = np.random.default_rng(0)
    pictures = [Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS]
    for number in range(count):
        picture = pictures[number % len(pictures)]
        width = rng.uniform(0.5, 1.0) * min(picture.width, picture.height * SIZE[0] / SIZE[1])
        height = width * SIZE[1] / SIZE[0]
        left, top = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - height)
        cut = picture.resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        cut.save(directory / f"{number:05}.jpg", quality=90)


def classify(classifier: Classifier, photographs: list[Path], options: Options) -> float:
    """Seconds for all of them."""
    begin = time.perf_counter()
    failed = sum(result.error is not None for result in classifier.classify(photographs, options))
    assert failed == 0, f"{failed} photographs failed"
    return time.perf_counter() - begin


def send_tensors(classifier: Classifier, count: int, options: Options) -> float:
    """Seconds for `count` images' tensors, ready-made, the last partial batch included."""
    contract, size = classifier.contract, options.batch_size or 1
    tensor = np.random.default_rng(0).standard_normal((size, *contract.input.shape)).astype(np.float32)

    def send(start: int) -> None:
        part = tensor[: min(size, count - start)]
        expected = len(part) * contract.classes
        classifier.transport.infer(
            Inference(contract.name, contract.input.name, contract.output.name, part, expected=expected)
        )

    begin = time.perf_counter()
    with ThreadPoolExecutor(options.concurrency) as pool:
        list(pool.map(send, range(0, count, size)))
    return time.perf_counter() - begin


def main() -> int:
    args = _parser().parse_args()
    options = Options(batch_size=args.batch_size, concurrency=args.concurrency, decode=args.decode)
    connection = Connection(args.protocol)
    with tempfile.TemporaryDirectory() as directory, TritonServer(args.repository, shared_memory=True) as server:
        make_photographs(Path(directory), args.images)
        photographs = sorted(Path(directory).iterdir())
        url = server.grpc_url if args.protocol == "grpc" else server.http_url
        ratios = []
        with Classifier(url, args.model, connection=connection, shared_memory=args.shared_memory) as classifier:
            send_tensors(classifier, 4 * args.batch_size, options)
            share = len(photographs) // args.rounds
            for number in range(args.rounds):
                part = photographs[number * share : (number + 1) * share]
                ours = len(part) / classify(classifier, part, options)
                servers = len(part) / send_tensors(classifier, len(part), options)
                ratios.append(ours / servers)
                print(f"round {number + 1}: client {ours:.2f}, server {servers:.2f} images/s: {ours / servers:.3f}")
    # A round compares its own two sides, so that a drift of the machine falls out; the median drops a disturbed one.
    ratio = statistics.median(ratios)
    print(
        f"{args.images} photographs, {args.protocol}, batch {args.batch_size}, concurrency {args.concurrency}, "
        f"decode {args.decode}: client over server alone {ratio:.3f} (median of {args.rounds} rounds)"
    )
    return 0 if ratio >= LEAST else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.classify_throughput", description=str(__doc__).split("\n")[0]
    )
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--model")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--decode", choices=("exact", "fast"), default="exact")
    parser.add_argument("--protocol", choices=("grpc", "http"), default="grpc")
    parser.add_argument("--shared-memory", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
