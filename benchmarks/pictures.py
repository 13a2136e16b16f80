"""The documents' picture of a gallery: real photographs, classified by a trained network that Triton serves.

    python -m benchmarks.pictures

It exports EfficientNet-Lite0 with its trained weights, serves it with the embedded Triton, classifies the demo's
photographs with `--gallery`, and photographs the page with headless Chromium (Debian: chromium).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from examples.demo import FACTORY, NAMES
from tritonrepo.serve.triton import TritonServer

PLACE = Path(".bench/pictures")
MODEL = "efficientnet_lite0_onnx"
# One row of the five photographs with three classes each, in CSS pixels.
SIZE = (1280, 414)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb")


def main(words: Sequence[str] | None = None) -> int:
    """Make the picture; the exit status."""
    parser = argparse.ArgumentParser("python -m benchmarks.pictures", description=str(__doc__).split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("docs/pictures/gallery.png"), metavar="PNG")
    output: Path = parser.parse_args(words).output
    browser = shutil.which("chromium")
    if browser is None:
        print("chromium is not here: apt-get install chromium", file=sys.stderr)
        return 3
    photograph(browser, make_gallery(PLACE), output)
    print(f"{output}: {output.stat().st_size / 1e3:.0f} kB")
    return 0


def make_gallery(place: Path) -> Path:
    """Export, serve and classify as a user would; the page that `--gallery` wrote."""
    models, photographs, page = place / "models", place / "photographs", place / "gallery.html"
    photographs.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (photographs / name).write_bytes((files("skimage") / "data" / name).read_bytes())
    run("export", "--model", FACTORY, "--formats", "onnx", "--repository", str(models))
    with TritonServer(models) as server:
        words = ("--url", server.grpc_url, "--model", MODEL, "--top", "3", "--gallery", str(page))
        run("classify", str(photographs), *words)
    return page


def photograph(browser: str, page: Path, output: Path) -> None:
    """Write what a browser of `SIZE` shows of a local page to a PNG file."""
    output.parent.mkdir(parents=True, exist_ok=True)
    # Virtual time runs until the pictures, which are decoded beside the page, are painted.
    options = (f"--window-size={SIZE[0]},{SIZE[1]}", "--virtual-time-budget=5000", f"--screenshot={output.resolve()}")
    command = [browser, *FLAGS, *options, page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def run(*words: str) -> None:
    """Run `tritonrepo WORDS`, and end with its status unless that is 0."""
    status = subprocess.run([sys.executable, "-m", "tritonrepo", *words], check=False).returncode
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    sys.exit(main())
