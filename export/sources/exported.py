"""An exported program, `FILE.pt2` of `torch.export.save`, and the TOML file that says what is not in it.

    name = "mine"
    labels = ["cat", "dog"]                 # or a file beside it, as in --labels: labels = "labels.txt"
    scores = "logits"

    [preprocessing]                         # the usual pipeline: resize, crop, interpolation, mean, std
    resize = 256
    crop = 224

Any other pipeline is a list of steps: `schema = 2`, `channels`, and a table `[[preprocessing.steps]]` for each.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tritonrepo.client import label_files
from tritonrepo.client.errors import ContractError, UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.text import read_text
from tritonrepo.export import weights
from tritonrepo.export.blame import gist
from tritonrepo.export.errors import WeightsError
from tritonrepo.export.options import Options
from tritonrepo.export.sources.loaded import Loaded, Origins
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.package import is_package
from tritonrepo.repository.spec import ModelSpec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KEYS = ("name", "labels", "synsets", "trained", "scores", "preprocessing")


class Program(nn.Module):
    """What an exported program computes. It is in evaluation mode, for good."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program
        self.training = False

    def train(self, mode: bool = True) -> "Program":
        """Change nothing: what training does otherwise is no longer in the program."""
        return self

    def forward(self, images: Tensor) -> Tensor:
        """`[N, channels, height, width]` -> `[N, classes]`."""
        scores: Tensor = self.program(images)
        return scores


def load(path: Path, options: Options) -> Loaded:
    """The program of a file.

    Args:
        path: The file.
        options: `--spec`: the TOML file. A program has its own weights and its own head.

    Raises:
        UsageError: A file is missing, or says something that no spec can be made of, or more is asked of a program.
        WeightsError: It is no exported program.
    """
    _refuse(path, options)
    if options.spec is None:
        raise UsageError(f"--model {path}: a program does not say how images are prepared; do it with --spec FILE.toml")
    spec = read_spec(options.spec, path.stem)
    if not path.is_file():
        raise UsageError(f"--model {path}: no such file")
    if is_package(path):
        raise UsageError(
            f"--model {path}: is a package that AOTInductor compiled, machine code that cannot be exported again; give "
            "the program that it was compiled from, as torch.export.save writes it, or the network"
        )
    try:
        with _no_log():
            program = torch.export.load(path)
        _refuse_fixed_batch(path, program)
        module = Program(program.module())
    except UsageError:
        raise
    except Exception as exc:  # a damaged file makes the unpickler raise anything
        raise WeightsError(f"--model {path}: is no program of torch.export.save: {gist(exc)}") from exc
    origins = Origins(options.spec.name, options.spec.name, "the program's own")
    return Loaded(module, spec, Weights(f"program {path.name}", sha256(path), spec.trained), origins)


@contextmanager
def _no_log() -> Iterator[None]:
    """Keep PyTorch from logging the traceback of an error that it raises too."""
    logger = logging.getLogger("torch.export")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _refuse(path: Path, options: Options) -> None:
    if options.weights is not None:
        raise UsageError(f"--weights {options.weights}: an exported program has its own, and takes no others")
    if options.classes is not None:
        raise UsageError(
            f"--classes {options.classes}: the head of an exported program is fixed; export {path.name} from a network "
            f"of {options.classes} classes"
        )
    weights.refuse_ema(options)


def _refuse_fixed_batch(path: Path, program: torch.export.ExportedProgram) -> None:
    images = [node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    if len(images) != 1:
        raise UsageError(f"--model {path}: the program takes {len(images)} inputs, and a classifier of images one")
    shape = images[0].meta["val"].shape
    if isinstance(shape[0], int):
        raise UsageError(
            f"--model {path}: the program takes batches of {shape[0]} alone; export it with "
            "dynamic_shapes=({0: torch.export.Dim('batch')},)"
        )


def read_spec(path: Path, name: str) -> ModelSpec:
    """The spec in a TOML file; without a name it gets this one.

    Raises:
        UsageError: It cannot be read, or says something else than KEYS.
    """
    try:
        values: dict[str, Any] = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"--spec {path}: is no TOML: {exc}") from exc
    except UsageError as exc:
        raise UsageError(f"--spec {exc}") from exc
    if unknown := sorted(values.keys() - set(KEYS)):
        raise UsageError(f"--spec {path}: unknown keys {', '.join(unknown)}; it may have {', '.join(KEYS)}")
    values["preprocessing"] = _preprocessing(path, values.get("preprocessing"))
    if isinstance(labels := values.get("labels"), str):
        values["labels"] = _labels(path, labels)
    try:
        return ModelSpec(**{"name": name, **values})
    except (UsageError, TypeError) as exc:
        raise UsageError(f"--spec {path}: {exc}") from exc


def _labels(path: Path, name: str) -> tuple[str, ...]:
    try:
        return label_files.read(path.parent / name)
    except UsageError as exc:
        raise UsageError(f"--spec {path}: labels: {exc}") from exc


def _preprocessing(path: Path, values: object) -> Preprocessing:
    """It is never guessed: a program that came with a wrong one would be served with it."""
    if not isinstance(values, Mapping):
        raise UsageError(f"--spec {path}: has no table [preprocessing]; it says how an image becomes the input")
    try:
        return Preprocessing.from_json(json.dumps(values, default=str))  # a date has no JSON
    except ContractError as exc:
        raise UsageError(f"--spec {path}: {exc}") from exc
