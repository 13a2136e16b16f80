"""`--model` and `--weights` into a classifier: each kind of source has a module of its own."""

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch

from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.install import install_command
from tritonrepo.export import network
from tritonrepo.export.blame import gist
from tritonrepo.export.options import Progress
from tritonrepo.export.sources import exported, factory, known
from tritonrepo.export.sources.loaded import Loaded, Notice

LIBRARIES = {"timm": "timm", "torchvision": "torchvision", "hf": "transformers"}
"""The words before a colon, and whose networks they name."""
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def load(model: str, source: str | None, progress: Progress, notice: Notice, described: Path | None = None) -> Loaded:
    """The classifier that `--model` names.

    Args:
        model: As in `--model`.
        source: As in `--weights`; without it a known network comes from NGC, and the rest keep what they come with.
        progress: Takes how far a download is.
        notice: Takes a sentence.
        described: As in `--spec`: what is known of an exported program.

    Raises:
        UsageError: The model cannot be had.
        TritonRepoError: As the source raises it.
    """
    if described is not None and not model.endswith(".pt2"):
        raise UsageError(f"--spec {described}: describes an exported program, and --model {model} is none")
    kind, _, name = model.partition(":")
    if kind in LIBRARIES and name:
        loaded: Loaded = _library(model, LIBRARIES[kind]).load(name, source, notice)
        return loaded
    if model.endswith(".pt2"):
        return exported.load(Path(model), described, source)
    if ".py:" in model or _DOTTED.fullmatch(model):
        return factory.load(model, source, notice)
    if model in network.ARCHITECTURES:
        return known.load(model, source, progress, notice)
    raise UsageError(
        f"--model {model}: unknown; take one of {', '.join(network.ARCHITECTURES)}, timm:NAME or timm:DIR, "
        "torchvision:NAME, hf:DIR, FILE.pt2, or FILE.py:FACTORY or package.module:FACTORY for your own"
    )


def _library(model: str, name: str) -> ModuleType:
    """The module of that source, which imports its library."""
    try:
        return import_module(f"tritonrepo.export.sources.of_{name}")
    except ModuleNotFoundError as exc:
        raise MissingError(
            f"--model {model}: the package {exc.name} is not installed: {install_command('sources')}"
        ) from exc
    except (ImportError, RuntimeError, OSError) as exc:  # torchvision's operators fit one release of torch alone
        raise MissingError(
            f"--model {model}: {name} cannot be imported beside torch {torch.__version__}: {gist(exc)}; install "
            f"releases that fit each other: {install_command('sources')}"
        ) from exc
