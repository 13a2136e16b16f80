"""An AOTInductor package in the stand-in for Triton's pytorch backend. Runs inside the stub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tritonrepo.repository.on_aoti import Package
from tritonrepo.repository.package import NoPackageError
from tritonrepo.serve.backends.settings import ConfigurationError


class CompiledPackage:
    """A loaded package, by the official backend's names for tensors: `INPUT__0`, `INPUT__1`, …, and `OUTPUT__0`, ….

    Attributes:
        arguments: What the package takes, by these names.

    Raises:
        ConfigurationError: It cannot be loaded here, or a tensor of the configuration has another name.
    """

    FILENAME = "model.pt2"

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        """Load it."""
        self.arguments = require_ordinals(config, "input")
        require_ordinals(config, "output")
        try:
            self._package = Package(path)
        except NoPackageError as error:
            raise ConfigurationError(f"failed to load model '{config['name']}': {path} {error}") from None
        except RuntimeError as error:
            raise ConfigurationError(f"failed to load model '{config['name']}' from {path}: {error}") from None

    def run(self, tensors: Mapping[str, torch.Tensor]) -> tuple[Any, ...]:
        """Return the model's results. `tensors`: by the configuration's names, in the order of the arguments."""
        return tuple(self._package.run(list(tensors.values())))


def require_ordinals(config: Mapping[str, Any], kind: str) -> list[str]:
    """Return the names `INPUT__0`, `INPUT__1`, … of as many tensors as the configuration has.

    Raises:
        ConfigurationError: It names them otherwise. The official backend also knows them by their place in the call.
    """
    expected = [f"{kind.upper()}__{index}" for index in range(len(config[kind]))]
    for tensor in config[kind]:
        if tensor["name"] not in expected:
            raise ConfigurationError(
                f"unable to load model '{config['name']}': {kind.title()} \"{tensor['name']}\" is not found in the "
                f"{kind} map of the package; name it {' or '.join(expected)}"
            )
    return expected
