"""Weights into a network: from NGC, from a checkpoint file, or seeded. The result is ready for inference."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import checkpoint, network, ngc, photographs
from tritonrepo.export.cache import cache_directory
from tritonrepo.export.errors import DownloadError, WeightsError
from tritonrepo.export.options import Progress
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.manifest import Weights

CALIBRATION_IMAGES = 12
RESIDUAL_GAIN = 0.2
"""Weight of each block's last BatchNorm in a seeded network. At 1 the activations of a hundred random layers are so
ill-conditioned that FP16 moves the logits by a fifth of their spread; at 0.2, by a hundredth."""


def load(name: str, source: str, progress: Progress, notice: Callable[[str], None]) -> tuple[nn.Module, Weights]:
    """A known network with its weights, in evaluation mode on the CPU.

    `source` is `ngc`, `auto`, `seeded`, `seeded:N` or a path. `auto` takes NGC's checkpoint if it can be had, and
    otherwise seeds the network and says why through `notice`.

    Raises:
        UsageError: The source is none of these.
        DownloadError: NGC cannot be reached.
        WeightsError: The file does not fit.
    """
    if source == "auto":
        try:
            return load(name, "ngc", progress, notice)
        except DownloadError as exc:
            notice(f"NVIDIA's checkpoint cannot be had here ({exc.reason}): taking the untrained, seeded network")
        return load(name, "seeded", progress, notice)
    if source == "seeded" or source.startswith("seeded:"):
        return _seeded(name, seed(source))
    module = network.build(name)
    if source == "ngc":
        url = ngc.CHECKPOINTS[name]
        path = ngc.fetch(url, cache_directory(), progress)
        try:
            return from_file(module, path, f"ngc {url}")
        except WeightsError as exc:
            raise WeightsError(f"{exc}\nDelete this cached download to fetch it anew: {path}") from exc
    return from_file(module, Path(source), f"file {Path(source).name}")


def from_file(module: nn.Module, path: Path, source: str) -> tuple[nn.Module, Weights]:
    """`module` with the checkpoint's tensors, in evaluation mode. Raises `WeightsError`."""
    checkpoint.load(module, path)
    module.eval()
    return module, Weights(source, sha256(path), trained=True)


def from_path(module: nn.Module, source: str, model: str) -> tuple[nn.Module, Weights]:
    """As `from_file`, of what `--weights` says of a network that is the user's.

    Raises:
        UsageError: It is a word for the networks that we know.
        WeightsError: The file does not fit.
    """
    if source in ("ngc", "auto") or source.split(":")[0] == "seeded":
        raise UsageError(
            f"--weights {source}: is for the networks that we know; with --model {model} take a file's path"
        )
    return from_file(module, Path(source), f"file {Path(source).name}")


def of_module(module: nn.Module, source: str, trained: bool) -> Weights:
    """The provenance of a module that came with its weights: a SHA-256 over its state dict, key by key.

    Raises:
        WeightsError: A parameter or buffer is not finite.
    """
    digest = hashlib.sha256()
    for key, tensor in module.state_dict().items():
        if not isinstance(tensor, torch.Tensor):  # a module's own extra state
            continue
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{source}: {key} holds NaN or infinity")
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return Weights(source, digest.hexdigest(), trained)


def seed(source: str) -> int:
    """The number in `seeded` or `seeded:N`. Raises `UsageError`."""
    text = source.removeprefix("seeded").removeprefix(":") or "0"
    if not text.isdecimal() or int(text) >= 2**63:
        raise UsageError(f"--weights {source}: the seed is a whole number from 0 to 2**63 - 1, as in seeded:7")
    return int(text)


def _seeded(name: str, seed: int) -> tuple[nn.Module, Weights]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = network.build(name)
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
