"""The parameters of a library's network: its own, random ones, or a file's."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from tritonrepo.client.errors import MissingError, TritonRepoError, UsageError
from tritonrepo.export import checkpoint, checkpoint_file, weights
from tritonrepo.export.blame import gist
from tritonrepo.export.options import Notice, Options
from tritonrepo.export.sources.loaded import OWN_CLASSES
from tritonrepo.repository.manifest import Weights

T = TypeVar("T")
Build = Callable[[int | None], nn.Module]
OTHERS = "give its weights with --weights FILE, or --weights seeded"


@dataclass(frozen=True)
class Network:
    """How to build a network of a library.

    Attributes:
        model: As in `--model`.
        origin: What provenance calls its own weights, as in `timm resnet18`.
        pretrained: Builds it with its own weights, which may have to be downloaded.
        bare: Builds it with random ones, and a head of so many classes; None: as many as it is known for.
        remedy: What to do where it cannot be built with its own weights.
    """

    model: str
    origin: str
    pretrained: Callable[[], nn.Module]
    bare: Build
    remedy: str = OTHERS


@dataclass(frozen=True)
class Filled:
    """A network with its weights.

    Attributes:
        module: In evaluation mode on the CPU, in FP32.
        weights: Where they came from.
        classes: Who said how many classes there are, as in `Origins`.
    """

    module: nn.Module
    weights: Weights
    classes: str = OWN_CLASSES

    @property
    def other_head(self) -> bool:
        """Whether the head may be another than the library's, so that the names of its classes mean nothing."""
        return self.classes != OWN_CLASSES


def fill(network: Network, options: Options, notice: Notice) -> Filled:
    """The network with its weights.

    Args:
        network: What is built.
        options: `--weights`: `seeded[:N]` or a path; None: those that the library has for it; `--classes`, `--ema`.
        notice: Takes a sentence.

    Raises:
        MissingError: The library cannot get them here.
        UsageError: What is asked is none of these, or not to be had of these weights.
        WeightsError: The file does not fit.
    """
    source = options.weights
    if source is not None and not weights.seeds(source):
        return from_checkpoint(network.model, network.bare, source, options, notice)
    weights.refuse_ema(options)
    if source is None:
        return _pretrained(network, options, notice)
    seed = weights.seed(source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _bare(network.model, network.bare, options.classes).eval()
    return Filled(module, weights.of_module(module, f"seeded {seed}", trained=False), _said(options))


def _pretrained(network: Network, options: Options, notice: Notice) -> Filled:
    if options.classes is not None:
        raise UsageError(
            f"--classes {options.classes}: the weights that come with --model {network.model} have their own head, and "
            "another would be untrained; give the weights with --weights FILE"
        )
    module = _built(network.model, network.pretrained, network.remedy).eval()
    weights.tell_precision((*module.parameters(), *module.buffers()), notice)
    return Filled(module.float(), weights.of_module(module.float(), network.origin, trained=True))


def from_checkpoint(model: str, bare: Build, source: str, options: Options, notice: Notice) -> Filled:
    """The network with a file's weights, and with the file's head where that is another.

    Args:
        model: As in `--model`.
        bare: As in `Network`.
        source: The file.
        options: `--classes` and `--ema`.
        notice: Takes a sentence.

    Raises:
        MissingError: The network cannot be built.
        WeightsError: The file does not fit.
    """
    path = weights.checkpoint_path(source, model)
    module, said = _bare(model, bare, options.classes), _said(options)
    found = checkpoint_file.read(path, checkpoint.size(module), options.ema, notice)
    if options.classes is None and (classes := checkpoint.classes(module, found)) is not None:
        other = _bare(model, bare, classes)
        if checkpoint.fits(other, found):
            module, said = other, f"those of the head in {path.name}"
    return Filled(*weights.from_tensors(module, found, notice), said)


def _said(options: Options) -> str:
    return OWN_CLASSES if options.classes is None else "as --classes says"


def _bare(model: str, bare: Build, classes: int | None) -> nn.Module:
    remedy = "is its name right?" if classes is None else f"does it take a head of {classes} classes?"
    return _built(model, lambda: bare(classes), remedy)


def _built(model: str, build: Callable[[], nn.Module], remedy: str) -> nn.Module:
    try:
        return build()
    except TritonRepoError:
        raise
    except Exception as exc:  # a library raises anything where there is no network, no file, or no such name
        raise MissingError(f"--model {model}: {_said_by(exc)}; {remedy}") from exc


def described(model: str, whose: str, read: Callable[[], T]) -> T:
    """What a source says of its network, read from files that anybody may have written.

    Args:
        model: As in `--model`.
        whose: The file, or who else says it.
        read: Reads it.

    Raises:
        UsageError: It cannot be used; the message says who says it, and why.
    """
    try:
        return read()
    except TritonRepoError as exc:
        raise UsageError(f"--model {model}: {whose}: {exc}") from exc
    except Exception as exc:  # a library raises anything at a value that it does not expect
        raise UsageError(f"--model {model}: {whose}: says what cannot be used: {_said_by(exc)}") from exc


def refuse_missing_directory(model: str) -> None:
    """Raise `UsageError` where what follows the library's word can only be a directory, and is none."""
    name = model.partition(":")[2]
    if (name.startswith(("/", ".", "~")) or name.count("/") > 1) and not Path(name).is_dir():
        raise UsageError(f"--model {model}: there is no directory {name}")


def _said_by(exc: Exception) -> str:
    kind, text = type(exc).__name__, gist(exc)
    return kind if text == kind else f"{kind}: {text}"
