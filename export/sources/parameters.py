"""The parameters of a library's network: its own, random ones, or a file's."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from tritonrepo.client.errors import MissingError, TritonRepoError
from tritonrepo.export import weights
from tritonrepo.export.blame import gist
from tritonrepo.repository.manifest import Weights


@dataclass(frozen=True)
class Network:
    """How to build a network of a library.

    Attributes:
        model: As in `--model`.
        origin: What provenance calls its own weights, as in `timm resnet18`.
        pretrained: Builds it with its own weights, which may have to be downloaded.
        bare: Builds it with random ones.
    """

    model: str
    origin: str
    pretrained: Callable[[], nn.Module]
    bare: Callable[[], nn.Module]


def fill(network: Network, source: str | None) -> tuple[nn.Module, Weights]:
    """The network with its weights, in evaluation mode on the CPU, in FP32.

    Args:
        network: What is built.
        source: As in `--weights`: `seeded[:N]` or a path; None: those that the library has for it.

    Raises:
        MissingError: The library cannot get them here.
        UsageError: `source` is none of these.
        WeightsError: The file does not fit.
    """
    if source is None:
        module = _built(network, network.pretrained, "give its weights with --weights FILE, or --weights seeded").eval()
        return module.float(), weights.of_module(module.float(), network.origin, trained=True)
    if source.split(":")[0] == "seeded":
        seed = weights.seed(source)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = _built(network, network.bare, "is its name right?").eval()
        return module, weights.of_module(module, f"seeded {seed}", trained=False)
    return weights.from_path(_built(network, network.bare, "is its name right?"), source, network.model)


def _built(network: Network, build: Callable[[], nn.Module], remedy: str) -> nn.Module:
    try:
        return build()
    except TritonRepoError:
        raise
    except Exception as exc:  # a library raises anything where there is no network, no file, or no such name
        raise MissingError(f"--model {network.model}: {type(exc).__name__}: {gist(exc)}; {remedy}") from exc
