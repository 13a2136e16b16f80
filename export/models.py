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
from tritonrepo.export.options import LIBRARIES, Options, Watcher
from tritonrepo.export.sources import exported, factory, known
from tritonrepo.export.sources.loaded import Loaded

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def load(options: Options, watcher: Watcher) -> Loaded:
    """The classifier that `--model` names.

    Args:
        options: The model, its weights, and what is said of them. Without `--weights` a known network comes from NGC,
            and the rest keep what they come with.
        watcher: Is told what is chosen, and how far a download is.

    Raises:
        UsageError: The model cannot be had.
        TritonRepoError: As the source raises it.
    """
    model, described = options.model, options.spec
    if described is not None and not model.endswith(".pt2"):
        raise UsageError(f"--spec {described}: describes an exported program, and --model {model} is none")
    kind, _, name = model.partition(":")
    if kind in LIBRARIES and name:
        loaded: Loaded = _library(model, LIBRARIES[kind]).load(name, options, watcher.notice)
        return loaded
    if model.endswith(".pt2"):
        return exported.load(Path(model), options)
    if ".py:" in model or _DOTTED.fullmatch(model):
        return factory.load(model, options, watcher.notice)
    if model in network.ARCHITECTURES:
        return known.load(model, options, watcher)
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
