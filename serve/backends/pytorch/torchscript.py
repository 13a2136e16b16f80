"""A TorchScript file in the stand-in for Triton's pytorch backend. Runs inside the stub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tritonrepo.serve.backends.settings import ConfigurationError


class TorchScript:
    """A loaded file. It has no platform of its own.

    Attributes:
        arguments: The names of what `forward` takes; none where that is one dictionary.

    Raises:
        ConfigurationError: It cannot be loaded, or takes other arguments than the configuration's inputs.
    """

    FILENAME = "model.pt"

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        """Load it."""
        try:
            self._module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition(". ")[0].splitlines()[0]
            raise ConfigurationError(
                f"failed to load model '{config['name']}' from {path}: {reason}; it must be TorchScript, as "
                "torch.jit.save writes it"
            ) from None
        self._dictionary, self.arguments = read_arguments(config, self._module)

    def run(self, tensors: Mapping[str, torch.Tensor]) -> tuple[Any, ...]:
        """Return what `forward` returns. `tensors`: by the configuration's names, in the order of the arguments."""
        results = self._module(dict(tensors)) if self._dictionary else self._module(*tensors.values())
        return results if isinstance(results, tuple) else (results,)


def read_arguments(config: Mapping[str, Any], module: torch.jit.ScriptModule) -> tuple[bool, list[str]]:
    """Return whether `forward` takes one dictionary of tensors, and else the names of its arguments.

    Raises:
        ConfigurationError: Arguments of other types, or another number of them than the configuration's inputs.
    """
    arguments = module.forward.schema.arguments[1:]  # type: ignore[attr-defined]  # The first is self.
    kinds = [argument.type.kind() for argument in arguments]
    if kinds == ["DictType"]:
        return True, []
    for argument, kind in zip(arguments, kinds, strict=True):
        if kind != "TensorType":
            raise ConfigurationError(
                f"unable to load model '{config['name']}', its argument '{argument.name}' is a {argument.type}; only "
                "tensors, or a single Dict(str, Tensor), are supported"
            )
    if len(arguments) != len(config["input"]):
        raise ConfigurationError(
            f"unable to load model '{config['name']}', configuration expects {len(config['input'])} inputs, model "
            f"provides {len(arguments)}"
        )
    return False, [argument.name for argument in arguments]
