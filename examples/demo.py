"""The whole job on one machine, without Docker or a GPU: export, verify, publish, serve, classify, compare.

    python -m examples.demo

Each step runs the command that a user would type, and shows it. Two networks are served: NVIDIA's ResNeXt101-32x4d,
whose checkpoint is downloaded where it can be, and EfficientNet-Lite0, whose trained weights a package brings along.
"""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.main import guarded
from tritonrepo.cli.serve import make_table
from tritonrepo.client import Classifier, Connection
from tritonrepo.serve.triton import TritonServer

PLACE = Path(".demo")
REPOSITORY = PLACE / "models"
PHOTOGRAPHS = PLACE / "photographs"
GALLERY = PLACE / "gallery.html"
NAMES = ("chelsea.png", "coffee.png", "camera.png", "rocket.jpg", "motorcycle_left.png")
RESNEXT = "resnext101_32x4d_onnx"
TRAINED = "efficientnet_lite0_onnx"
FACTORY = "examples/efficientnet_lite0.py:efficientnet_lite0"
COMPARED = ("--batch-sizes", "1,8", "--concurrency", "1", "--windows", "3", "--max-windows", "5", "--window", "1")
OPENING = """\
The demo takes 3 to 5 minutes on two cores and writes 0.4 GB below .demo/. It downloads NVIDIA's checkpoint of
ResNeXt101-32x4d (178 MB) if NGC can be reached, and nothing else. Without it, it serves an untrained ResNeXt101-32x4d:
as fast as the trained one, with labels that mean nothing. The labels are then shown by EfficientNet-Lite0, which is
trained: its weights were installed with the packages."""
NEXT = f"""\
Next:
  {GALLERY}                                            a page with the photographs and their classes
  tritonrepo serve --repository {REPOSITORY}               serve the two networks yourself
  tritonrepo classify YOUR_PHOTOS/ --model {TRAINED}
  tritonrepo export --model YOUR_FILE.py:FACTORY           your own network; examples/efficientnet_lite0.py is one
  tritonrepo --help                                        everything else; docs/ explains it"""


def main() -> int:
    """Run the steps in order and stop at the first that fails; its exit status."""
    console = terminal.console()
    console.print(OPENING, soft_wrap=True)
    _copy_photographs()
    repository = ("--repository", str(REPOSITORY))
    _run("export", "--weights", "auto", *repository)
    _run("export", "--model", FACTORY, *repository)
    _show(f"tritonrepo serve --repository {REPOSITORY}   (here on free ports)")
    with TritonServer(REPOSITORY) as server:
        console.print(make_table(server.models()))
        _classify({"grpc": server.grpc_url, "http": server.http_url})
        resnext = ("--models", f"{RESNEXT},{RESNEXT.replace('onnx', 'torchscript')}")
        _run("compare", str(PHOTOGRAPHS), "--url", server.grpc_url, *resnext, *COMPARED)
    console.print(f"\n{NEXT}", soft_wrap=True)
    return 0


def _classify(urls: dict[str, str]) -> None:
    """The photographs by the networks whose labels mean something, over both protocols."""
    trained = _is_trained(urls["grpc"])
    kind = "NVIDIA's trained weights" if trained else "untrained: it is here for its speed, its labels mean nothing"
    _say(f"\n{RESNEXT}: {kind}.\n{TRAINED}: trained on ImageNet.")
    model = RESNEXT if trained else TRAINED
    options = ("--model", model, "--top", "3", "--gallery", str(GALLERY))
    _run("classify", str(PHOTOGRAPHS), "--url", urls["grpc"], *options)
    for name in (RESNEXT, TRAINED):
        _say(_agreement(name, urls))


def _is_trained(url: str) -> bool:
    with Classifier(url, model=RESNEXT) as classifier:
        return classifier.contract.trained


def _copy_photographs() -> None:
    """Put scikit-image's photographs where their names are short."""
    PHOTOGRAPHS.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (PHOTOGRAPHS / name).write_bytes((files("skimage") / "data" / name).read_bytes())


def _run(*words: str) -> None:
    """Run `tritonrepo WORDS`, under a heading that says so."""
    _show(f"tritonrepo {' '.join(words)}")
    status = subprocess.run([sys.executable, "-m", "tritonrepo", *words], check=False).returncode
    if status:
        raise SystemExit(status)


def _show(command: str) -> None:
    terminal.console().print(Text(f"\n$ {command}", style="bold"), soft_wrap=True)


def _say(sentence: str) -> None:
    terminal.console().print(sentence, soft_wrap=True)


def _agreement(model: str, urls: dict[str, str]) -> str:
    """A sentence; ends the demo with status 1 if the two protocols do not give the same predictions."""
    answers = []
    for protocol, url in urls.items():
        with Classifier(url, model=model, connection=Connection(protocol=protocol)) as classifier:
            answers.append([result.predictions for result in classifier.classify([PHOTOGRAPHS])])
    if answers[0] != answers[1]:
        raise SystemExit(f"{model}: gRPC and HTTP give different predictions")
    return f"{model}: gRPC and HTTP give the same predictions for all {len(NAMES)} photographs."


if __name__ == "__main__":
    sys.exit(guarded(main))
