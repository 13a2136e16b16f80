"""`make overload`: three times what the server can do, with a bounded queue, and what becomes of it.

    python -m tests.overload

The model is the pretrained EfficientNet-Lite0, with at most `--queue` waiting requests. First its capacity is measured
by a closed load, then requests come at three times that rate, and at last the client classifies through the overload.
"""

import argparse
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.overload.load import Overload, capacity, offer, rate
from tests.pretrained import MODEL, export_pretrained, table
from tritonrepo.client import Classifier
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.transport import Inference, open_transport
from tritonrepo.export import photographs
from tritonrepo.serve.triton import TritonServer

FACTOR = 3


def rows(calm: Overload, busy: Overload, seconds: float, classified: tuple[int, int]) -> list[tuple[str, str]]:
    """What was seen."""
    return [
        ("capacity, requests a second", f"{rate(calm, seconds):.1f}"),
        ("p95 at capacity, ms", f"{calm.p95():.0f}"),
        (f"offered at {FACTOR} times that: accepted a second", f"{rate(busy, seconds):.1f}"),
        ("p95 of the accepted, ms", f"{busy.p95():.0f} ({busy.p95() / calm.p95():.2f} times that at capacity)"),
        ("refused", f"{len(busy.refused):,}"),
        ("99% of the refused knew within, ms", f"{busy.slowest_refusal():.0f}"),
        ("pictures that the client classified meanwhile", f"{classified[0]} of {classified[1]}"),
    ]


def classify(url: str, count: int) -> tuple[int, int]:
    """How many of so many pictures the client could classify."""
    paths = photographs.find()
    with Classifier(url, model=MODEL, patience=300) as classifier:
        results = list(classifier.classify([paths[number % len(paths)] for number in range(count)]))
    return sum(result.error is None for result in results), count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.overload", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, metavar="N")
    parser.add_argument("--concurrency", type=int, default=8, metavar="N")
    parser.add_argument("--queue", type=int, default=6, metavar="N")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    try:
        export_pretrained(place / "models", "--max-queue-size", str(options.queue))
        image = photographs.batch(photographs.find(), Preprocessing(), 1)
        request = Inference(MODEL, "INPUT__0", "OUTPUT__0", image)
        with TritonServer(place / "models") as server, ThreadPoolExecutor(1) as pool:
            transport = open_transport(server.grpc_url)
            capacity(transport, request, options.concurrency, options.seconds / 5)
            calm = capacity(transport, request, options.concurrency - 1, options.seconds)
            classified = pool.submit(classify, server.grpc_url, 100)
            busy = offer(transport, request, FACTOR * rate(calm, options.seconds), options.seconds)
            print(table(rows(calm, busy, options.seconds, classified.result())))
            transport.close()
    finally:
        shutil.rmtree(place)
    print("\nsaid of the refused:", *sorted(busy.reasons), sep="\n  ")
    return 0 if classified.result()[0] == classified.result()[1] else 1


if __name__ == "__main__":
    sys.exit(main())
