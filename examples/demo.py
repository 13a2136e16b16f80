"""The whole job on one machine, without Docker or a GPU: export, verify, publish, serve, classify, compare.

    python -m examples.demo

Each step runs the command that a user would type, and shows it.
"""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from tritonrepo.cli.serve import make_table
from tritonrepo.client import Classifier, Connection
from tritonrepo.serve.triton import TritonServer

PLACE = Path(".demo")
REPOSITORY = PLACE / "models"
PHOTOGRAPHS = PLACE / "photographs"
NAMES = ("chelsea.png", "coffee.png", "camera.png", "rocket.jpg", "motorcycle_left.png")
MODEL = "resnext101_32x4d_onnx"
COMPARED = ("--batch-sizes", "1,8", "--concurrency", "1")


def main() -> int:
    """Run the steps in order and stop at the first that fails; its exit status."""
    console = Console(highlight=False)
    _copy_photographs()
    _run(console, "export", "--weights", "auto", "--repository", str(REPOSITORY))
    console.print(f"\n[bold]$ python -m serve --repository {REPOSITORY}[/bold]   (here on free ports)")
    with TritonServer(REPOSITORY) as server:
        console.print(make_table(server.models()))
        urls = {"grpc": server.grpc_url, "http": server.http_url}
        for protocol, url in urls.items():
            options = ("--url", url, "--protocol", protocol, "--model", MODEL)
            _run(console, "client", "classify", str(PHOTOGRAPHS), *options)
        console.print(_agreement(urls))
        _run(console, "client", "compare", str(PHOTOGRAPHS), "--url", server.grpc_url, *COMPARED)
    return 0


def _copy_photographs() -> None:
    """Put scikit-image's photographs where their names are short."""
    PHOTOGRAPHS.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (PHOTOGRAPHS / name).write_bytes((files("skimage") / "data" / name).read_bytes())


def _run(console: Console, *words: str) -> None:
    """Run `python -m WORDS`, under a heading that says so."""
    console.print(f"\n[bold]$ python -m {' '.join(words)}", soft_wrap=True)
    status = subprocess.run([sys.executable, "-m", *words], check=False).returncode
    if status:
        raise SystemExit(status)


def _agreement(urls: dict[str, str]) -> str:
    """A sentence; ends the demo with status 1 if the two protocols do not give the same predictions."""
    answers = []
    for protocol, url in urls.items():
        with Classifier(url, model=MODEL, connection=Connection(protocol=protocol)) as classifier:
            answers.append([result.predictions for result in classifier.classify([PHOTOGRAPHS])])
    if answers[0] != answers[1]:
        raise SystemExit("gRPC and HTTP give different predictions")
    return f"gRPC and HTTP give the same predictions for all {len(NAMES)} photographs."


if __name__ == "__main__":
    sys.exit(main())
