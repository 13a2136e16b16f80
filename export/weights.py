"""Weights into a network: from NGC, from a checkpoint file, or seeded. The result is ready for inference."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import checkpoint, checkpoint_file, network, ngc, photographs
from tritonrepo.export.cache import cache_directory
from tritonrepo.export.checkpoint_file import Tensors
from tritonrepo.export.errors import DownloadError, WeightsError
from tritonrepo.export.options import Notice, Options, Progress
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.manifest import Weights

NVIDIAS = ("ngc", "auto")
"""The words of `--weights` for NVIDIA's checkpoints."""
CALIBRATION_IMAGES = 12
RESIDUAL_GAIN = 0.2
"""Weight of each block's last BatchNorm in a seeded network. At 1 the activations of a hundred random layers are so
ill-conditioned that FP16 moves the logits by a fifth of their spread; at 0.2, by a hundredth."""


def load(
    name: str, source: str, progress: Progress, notice: Notice, classes: int = network.CLASSES
) -> tuple[nn.Module, Weights]:
    """A known network with its weights, in evaluation mode on the CPU.

    Args:
        name: Of `network.ARCHITECTURES`.
        source: `ngc`, `auto`, `seeded` or `seeded:N`. `auto` takes NGC's checkpoint if it can be had, and otherwise
            seeds the network and says why.
        progress: Takes how far a download is.
        notice: Takes a sentence.
        classes: Of a seeded network.

    Raises:
        UsageError: The seed is none.
        DownloadError: NGC cannot be reached.
        WeightsError: The file does not fit.
    """
    if seeds(source):
        return _seeded(name, seed(source), classes)
    try:
        return _of_ngc(name, progress, notice)
    except DownloadError as exc:
        if source != "auto":
            raise
        notice(f"NVIDIA's checkpoint cannot be had here ({exc.reason}): taking the untrained, seeded network")
    return _seeded(name, 0, classes)


def _of_ngc(name: str, progress: Progress, notice: Notice) -> tuple[nn.Module, Weights]:
    module: nn.Module = network.build(name)
    url = ngc.CHECKPOINTS[name]
    path = ngc.fetch(url, cache_directory(), progress)
    try:
        found = checkpoint_file.read(path, checkpoint.size(module), False, notice)
        module, weights = from_tensors(module, found, notice)
    except WeightsError as exc:
        raise WeightsError(f"{exc}\nDelete this cached download to fetch it anew: {path}") from exc
    return module, replace(weights, source=f"ngc {url}")


def from_tensors(module: nn.Module, found: Tensors, notice: Notice) -> tuple[nn.Module, Weights]:
    """`module` with a checkpoint's tensors, in evaluation mode. Raises `WeightsError`."""
    checkpoint.fit(module, found)
    refuse_not_finite(module, str(found.path))
    tell_precision(found.values.values(), notice)
    module.eval()
    return module, Weights(found.source, sha256(found.path), trained=True)


def checkpoint_path(source: str, model: str) -> Path:
    """The checkpoint that `--weights` names for a network that NVIDIA's words do not fit.

    Raises:
        UsageError: It is a word for the networks that we know.
    """
    if source in NVIDIAS or seeds(source):
        raise UsageError(
            f"--weights {source}: is for the networks that we know; with --model {model} take a file's path"
        )
    return Path(source)


def seeds(source: str) -> bool:
    """Whether `--weights` asks for a random network."""
    return source.split(":")[0] == "seeded"


def refuse_ema(options: Options) -> None:
    """Raise `UsageError` if averages are asked of weights that are no checkpoint's."""
    if options.ema:
        raise UsageError("--ema: takes the averaged weights of a checkpoint; name one with --weights FILE")


def tell_precision(tensors: Iterable[torch.Tensor], notice: Notice) -> None:
    """Say it where weights are of another precision than the export's."""
    say_precision((tensor.dtype for tensor in tensors), notice)


def say_precision(kinds: Iterable[torch.dtype], notice: Notice) -> None:
    """As `tell_precision`, of the types."""
    if others := sorted(str(kind) for kind in set(kinds) - {torch.float32} if kind.is_floating_point):
        notice(f"parameters of {', '.join(others)} are made float32, in which every model is exported")


def of_module(module: nn.Module, source: str, trained: bool) -> Weights:
    """The provenance of a module that came with its weights: a SHA-256 over its state dict, key by key.

    Raises:
        WeightsError: As `refuse_not_finite` raises it.
    """
    refuse_not_finite(module, source)
    digest = hashlib.sha256()
    for key, tensor in module.state_dict().items():
        if not isinstance(tensor, torch.Tensor):  # a module's own extra state
            continue
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return Weights(source, digest.hexdigest(), trained)


def refuse_not_finite(module: nn.Module, source: str) -> None:
    """Raise `WeightsError` where a parameter is not finite, or a buffer holds NaN; its infinities may be a mask."""
    parameters = {key for key, _ in module.named_parameters(remove_duplicate=False)}
    for key, tensor in module.state_dict().items():
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            continue
        wrong = ~torch.isfinite(tensor) if key in parameters else torch.isnan(tensor)
        if bool(wrong.any()):
            raise WeightsError(f"{source}: {key} holds NaN or infinity")


def seed(source: str) -> int:
    """The number in `seeded` or `seeded:N`. Raises `UsageError`."""
    text = source.removeprefix("seeded").removeprefix(":") or "0"
    if not text.isdecimal() or int(text) >= 2**63:
        raise UsageError(f"--weights {source}: the seed is a whole number from 0 to 2**63 - 1, as in seeded:7")
    return int(text)


def _seeded(name: str, seed: int, classes: int) -> tuple[nn.Module, Weights]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = network.build(name, classes)
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            elif isinstance(layer, network.Bottleneck):
                nn.init.constant_(layer.bn3.weight, RESIDUAL_GAIN)
    _calibrate(module)
    return module, of_module(module, f"seeded {seed}", trained=False)


def _calibrate(module: nn.Module) -> None:
    """Set the running statistics of every BatchNorm to those of real photographs.

    Without them the activations of an untrained network explode in evaluation mode.
    """
    images = torch.from_numpy(photographs.batch(photographs.find(), Preprocessing(), CALIBRATION_IMAGES))
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = None  # a plain average over the batches seen
    with torch.no_grad():
        module.train()(images)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    module.eval()
