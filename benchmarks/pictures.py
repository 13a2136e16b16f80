"""The documents' pictures of the gallery and of `demo-ui`: real photographs, and what trained networks say of them.

    python -m benchmarks.pictures

It exports EfficientNet-Lite0 with its trained weights in three formats, serves them with the embedded Triton,
classifies the demo's photographs with `--gallery`, drops two of them on the page of `demo-ui`, and photographs both
pages with headless Chromium (Debian: chromium, chromium-driver).
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
from tests.chromium import chromium
from tests.conftest import wait_until
from tests.ui.served import running
from tritonrepo.serve.triton import TritonServer

PLACE = Path(".bench/pictures")
MODEL = "efficientnet_lite0_onnx"
FORMATS = "onnx,torchscript,onnx_int8"
# One row of the five photographs with three classes each, in CSS pixels.
SIZE = (1280, 414)
DEMO_SIZE = (1280, 1000)
DROPPED = ("chelsea.png", "camera.png")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb")


def main(words: Sequence[str] | None = None) -> int:
    """Make the picture; the exit status."""
    parser = argparse.ArgumentParser("python -m benchmarks.pictures", description=str(__doc__).split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("docs/pictures"), metavar="DIR")
    output: Path = parser.parse_args(words).output
    browser = shutil.which("chromium")
    if browser is None:
        print("chromium is not here: apt-get install chromium chromium-driver", file=sys.stderr)
        return 3
    output.mkdir(parents=True, exist_ok=True)
    models, photographs = PLACE / "models", PLACE / "photographs"
    prepare(models, photographs)
    with TritonServer(models) as server:
        photograph(browser, make_gallery(server, photographs), output / "gallery.png")
        photograph_demo(server, photographs, output / "demo-ui.png")
    for picture in (output / "gallery.png", output / "demo-ui.png"):
        print(f"{picture}: {picture.stat().st_size / 1e3:.0f} kB")
    return 0


def prepare(models: Path, photographs: Path) -> None:
    """Export the network, and lay out the photographs."""
    photographs.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (photographs / name).write_bytes((files("skimage") / "data" / name).read_bytes())
    run("export", "--model", FACTORY, "--formats", FORMATS, "--repository", str(models))


def make_gallery(server: TritonServer, photographs: Path) -> Path:
    """Classify as a user would; the page that `--gallery` wrote."""
    page = PLACE / "gallery.html"
    run("classify", str(photographs), "--url", server.grpc_url, "--model", MODEL, "--top", "3", "--gallery", str(page))
    return page


def photograph_demo(server: TritonServer, photographs: Path, output: Path) -> None:
    """Write what `demo-ui` shows of two photographs to a PNG file."""
    with running(PLACE, "--url", server.grpc_url) as demo, chromium() as page:
        page.visit(demo.url, *DEMO_SIZE)
        wait_until(lambda: page.run("return document.querySelectorAll('.ui-model').length > 0"))
        page.choose(".q-uploader input[type=file]", [photographs / name for name in DROPPED])
        wait_until(lambda: page.run("return document.querySelectorAll('.ui-verdict').length") == len(DROPPED))
        page.screenshot(output)


def photograph(browser: str, page: Path, output: Path) -> None:
    """Write what a browser of `SIZE` shows of a local page to a PNG file."""
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
