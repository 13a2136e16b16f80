"""One command for a network of each kind, the embedded Triton, the client: against the library's own pipeline."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as tr
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.conftest import ShortLived
from tests.sources import networks, pictures
from tests.sources.networks import SIDE, Source, of_timm, of_torchvision, of_transformers
from tritonrepo.cli.main import main
from tritonrepo.client import Classifier, Options
from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.client.steps import Resize

pytestmark = [pytest.mark.live, pytest.mark.slow]
README = Path(__file__).resolve().parents[2] / "README.md"
WORST = 1e-5
"""Of a probability: FP32 in two runtimes."""
SEEN = 10 * WORST
"""Another interpolation moves some probability by more, or this test could not fail."""
VIT = {"depth": 2, "embed_dim": 48, "num_heads": 2}

Maker = Callable[[Path], Source]
MADE: Mapping[str, Maker] = {
    "timm-vit": lambda path: of_timm(path, "vit_tiny_patch16_224", VIT),
    "timm-squash": lambda path: of_timm(path, "resnet18", {"layers": (1, 1, 1, 1)}, crop_mode="squash", crop_pct=0.9),
    "torchvision-efficientnet-v2": lambda path: of_torchvision(path.with_suffix(".pth"), "efficientnet_v2_s"),
    "hf-convnext-under-384": lambda path: of_transformers(
        path, networks.convnext, tr.ConvNextImageProcessor(size={"shortest_edge": 64})
    ),
    "hf-convnext-from-384": lambda path: of_transformers(
        path, networks.convnext, tr.ConvNextImageProcessor(size={"shortest_edge": 384})
    ),
    "hf-swin": lambda path: of_transformers(path, networks.swin, tr.ViTImageProcessor(size=SIDE, resample=3)),
    "hf-one-channel": lambda path: of_transformers(
        path,
        partial(networks.vit, num_channels=1),
        tr.ViTImageProcessor(size=SIDE, image_mean=[0.1307], image_std=[0.3081]),
        "L",
    ),
    "hf-several-labels": lambda path: of_transformers(path, networks.several, tr.ViTImageProcessor(size=SIDE)),
}
"""Exported in this process."""
TOLD: Mapping[str, tuple[str, Maker]] = {
    "timm-convnext": (
        "timm:", lambda path: of_timm(path, "convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 16, 16, 16)}),
    ),
    "torchvision-resnet": ("torchvision:", lambda path: of_torchvision(path, "resnet50")),
    "hf-vit": (
        "hf:", lambda path: of_transformers(path, networks.vit, tr.ViTImageProcessor(size=SIDE)),
    ),
    "program": ("program", networks.of_program),
    "function": ("my_model.py:", lambda path: of_readme(path)),
}  # fmt: skip
"""Exported as README.md tells it, in a shell: how the `--model` begins."""
TWICE = ("timm-vit", "hf-vit")
"""Exported as TorchScript too."""


@dataclass(frozen=True)
class Served:
    """All of them behind a server.

    Attributes:
        sources: By the name of the model.
        said: What the command wrote on standard error, where it ran in a process of its own.
        status: Of each export.
        url: Of the server.
        paths: The photographs.
    """

    sources: dict[str, Source]
    said: dict[str, str]
    status: dict[str, int]
    url: str
    paths: list[Path]


def readme_commands() -> dict[str, list[str]]:
    """The words of each line of "Bring your own model", by its `--model`."""
    section = README.read_text("utf-8").split("## Bring your own model\n")[1].split("\n## ")[0]
    lines = re.findall(r"^ {4}(tritonrepo export .*)$", section, re.MULTILINE)
    commands = [shlex.split(line, comments=True)[1:] for line in lines]
    return {words[words.index("--model") + 1]: words for words in commands}


def of_readme(path: Path) -> Source:
    """The function that README.md shows, and a checkpoint of it beside."""
    code = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (function,) = (block for block in code if "def my_model" in block)
    (path.parent / "my_model.py").write_text(function)
    torch.manual_seed(0)
    network, spec = runpy.run_path(str(path.parent / "my_model.py"))["my_model"]()
    prepare = networks.usual(256, 224)
    networks.settle(network, network[-1], network.eval(), prepare)
    torch.save(network.state_dict(), path)
    assert spec.preprocessing == Preprocessing(256, 224)
    return Source((), prepare, network)


def make_told(name: str, home: Path) -> Source:
    """Make the files that a command of the README names, by their names there."""
    start, maker = TOLD[name]
    (words,) = (words for model, words in readme_commands().items() if model.startswith(start))
    where = words[words.index("--weights") + 1] if "--weights" in words else words[2].removeprefix(start)
    where = words[2] if start == "program" else where
    return replace(maker(home / where), words=tuple(words[1:]))


def export(name: str, source: Source, home: Path) -> tuple[int, str]:
    """The exit status, and what went to standard error."""
    formats = "onnx,torchscript" if name in TWICE else "onnx"
    words = [*source.words, "--name", name, "--formats", formats, "--max-batch-size", "2"]
    words = ["export", *words, "--repository", str(home / "models")]
    if name in MADE:
        return main(words), ""
    command = [sys.executable, "-m", "tritonrepo", *words]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home, folder = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("photographs")
    sources = {name: make(home / name) for name, make in MADE.items()}
    sources |= {name: make_told(name, home) for name in TOLD}
    done = {name: export(name, source, home) for name, source in sources.items()}
    said = {name: text for name, (_, text) in done.items()}
    status = {name: code for name, (code, _) in done.items()}
    with ShortLived(home / "models") as server:
        yield Served(sources, said, status, server.grpc_url, pictures.write(folder))


def upright(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def found(served: Served, model: str) -> tuple[NDArray[np.float32], Preprocessing]:
    """FP32 `[pictures, classes]` as the client has them, and the contract by which it prepared the pictures."""
    with Classifier(served.url, model=model) as classifier:
        classes = classifier.contract.classes
        results = list(classifier.classify(served.paths, Options(top=classes)))
        contract = classifier.contract.preprocessing
    assert [result.error for result in results] == [None] * pictures.COUNT
    values = np.zeros((len(results), classes), np.float32)
    for row, result in zip(values, results, strict=True):
        for prediction in result.predictions:
            row[prediction.index] = prediction.probability
    return values, contract


def other(contract: Preprocessing) -> Preprocessing:
    """The same with another interpolation."""
    kind = "bicubic" if "bilinear" in str(contract) else "bilinear"
    steps = [replace(step, interpolation=kind) if isinstance(step, Resize) else step for step in contract.steps]
    return Preprocessing.of_steps(steps, channels=contract.channels)


@pytest.mark.parametrize("name", [*MADE, *TOLD])
def test_a_command_serves_what_the_library_computes(name: str, served: Served) -> None:
    assert served.status[name] == 0, served.said[name]
    source, opened = served.sources[name], [upright(path) for path in served.paths]
    wanted = source.probabilities(torch.stack([source.prepare(picture) for picture in opened]))
    for format in ("onnx", "torchscript") if name in TWICE else ("onnx",):
        values, contract = found(served, f"{name}_{format}")
        assert np.abs(values - wanted).max() <= WORST
    wrong = torch.stack([torch.from_numpy(preprocess(picture, other(contract))) for picture in opened])
    assert np.abs(source.probabilities(wrong) - wanted).max() > SEEN


@pytest.mark.parametrize("name", TOLD)
def test_no_library_speaks_beside_the_export(name: str, served: Served) -> None:
    assert "checked against" in served.said[name] or name in ("program", "function")
    foreign = re.findall(r".*(?:[Ww]arning|/site-packages/|it/s\]|Traceback).*", served.said[name])
    assert foreign == []


def test_the_readme_has_a_command_for_each_source() -> None:
    models = list(readme_commands())
    assert len(models) == len(TOLD) == 5
    assert all(any(model.startswith(start) for model in models) for start, _ in TOLD.values())
