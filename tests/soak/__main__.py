"""`make soak`: a long load on the pretrained EfficientNet-Lite0 while another model comes and goes.

python -m tests.soak --count 20000
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.pretrained import MODEL, export_pretrained, table
from tests.soak.load import Soak, soak
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import photographs
from tritonrepo.serve.triton import TritonServer

MODELS = (MODEL, "passer_by")
IMAGES = 12


def repository(place: Path) -> Path:
    """The pretrained network as ONNX, twice."""
    root = place / "models"
    export_pretrained(root)
    other = Path(shutil.copytree(root / MODELS[0], root / MODELS[1])) / "config.pbtxt"
    other.write_text(other.read_text().replace(MODELS[0], MODELS[1]))
    return root


def rows(found: Soak, seconds: float) -> list[tuple[str, str]]:
    """What was seen."""
    return [
        ("answered requests", f"{len(found.seconds):,}"),
        ("requests a second", f"{len(found.seconds) / seconds:.1f}"),
        ("errors", str(len(found.errors))),
        ("wrong answers", str(found.wrong)),
        ("loads and unloads beside it", str(found.changes)),
        ("requests that found the other model unloaded", str(found.away)),
        ("p99 of the first tenth, ms", f"{found.p99(0):.0f}"),
        ("p99 of the second tenth, ms", f"{found.p99(1):.0f}"),
        ("p99 of the last tenth, ms", f"{found.p99(9):.0f}"),
        *(
            (
                f"memory of the {name}, MiB",
                f"{warm:.0f} after the warm-up, {middle:.0f} half way ({middle / warm - 1:+.1%}), "
                f"{end:.0f} at the end ({end / middle - 1:+.1%} since)",
            )
            for name, (warm, middle, end) in found.memory.items()
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000, metavar="N")
    parser.add_argument("--concurrency", type=int, default=8, metavar="N")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    try:
        root = repository(place)
        images: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = photographs.batch(
            photographs.find(), Preprocessing(), IMAGES
        )
        with TritonServer(root) as server:
            start = time.monotonic()
            found = soak(server, MODELS, images, options.count, options.concurrency)
            seconds = time.monotonic() - start
    finally:
        shutil.rmtree(place)
    for error in sorted(set(found.errors))[:10]:
        print(f"error: {error}")
    print(f"{options.count:,} requests at concurrency {options.concurrency}, {seconds:.0f} s\n")
    print(table(rows(found, seconds)))
    return 1 if found.errors or found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
