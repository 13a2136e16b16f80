"""`--model` and `--weights` into a module with its spec: a network that we know, or one that the user brings."""

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from tritonrepo.client.errors import UsageError
from tritonrepo.export import network, weights
from tritonrepo.export.options import Progress
from tritonrepo.export.unwrap import unwrap
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.spec import ModelSpec

IMPORTED_AS = "model_file"
Loaded = tuple[nn.Module, ModelSpec, Weights]


def load(model: str, source: str | None, progress: Progress, notice: Callable[[str], None]) -> Loaded:
    """The module in evaluation mode on the CPU, its spec, and the provenance of its weights.

    `model` is a name of `network.ARCHITECTURES` or `FILE.py:FACTORY`. `source` is as in `weights.load`; without one, a
    known network comes from NGC, and a factory's module keeps the weights it came with.

    Raises:
        UsageError: The model cannot be had.
        TritonRepoError: As `weights.load` raises it.
    """
    if ".py:" in model:
        return _from_factory(model, source, notice)
    if model not in network.ARCHITECTURES:
        known = ", ".join(network.ARCHITECTURES)
        raise UsageError(f"--model {model}: unknown; take one of {known}, or FILE.py:FACTORY for your own")
    module, provenance = weights.load(model, source or "ngc", progress, notice)
    return module, ModelSpec(model, trained=provenance.trained), provenance


def _from_factory(model: str, source: str | None, notice: Callable[[str], None]) -> Loaded:
    file, _, name = model.rpartition(":")
    module, spec = _call(Path(file), name)
    _restore_defaults(notice)
    module = unwrap(module, notice)
    try:
        _tell_precision(module, notice)
        module = module.cpu().float()
        _evaluate(module)
        provenance = weights.of_module(module, f"factory {Path(file).name}:{name}", spec.trained)
    except (RuntimeError, ValueError, TypeError, AttributeError) as exc:  # a lazy module, one without data, ...
        raise UsageError(f"--model {model}: its parameters cannot be read: {exc}") from exc
    if source is None:
        return module, spec, provenance
    if source in ("ngc", "auto") or source.split(":")[0] == "seeded":
        raise UsageError(
            f"--weights {source}: is for the networks that we know; with --model {model} take a file's path"
        )
    module, provenance = weights.from_file(module, Path(source), f"file {Path(source).name}")
    return module, spec, provenance


def _evaluate(module: nn.Module) -> None:
    """Switch to evaluation mode; a program that torch.export made has the one in which it was exported."""
    try:
        module.eval()
    except NotImplementedError:
        if not isinstance(module, torch.fx.GraphModule):
            raise


def _restore_defaults(notice: Callable[[str], None]) -> None:
    """A server has PyTorch's own defaults, so the module is run with these."""
    if torch.get_default_dtype() != torch.float32:
        notice(f"the model's file sets torch's default dtype to {torch.get_default_dtype()}; float32 is taken instead")
        torch.set_default_dtype(torch.float32)
    if torch.get_default_device() != torch.device("cpu"):
        notice(f"the model's file sets torch's default device to {torch.get_default_device()}; cpu is taken instead")
        torch.set_default_device("cpu")


def _tell_precision(module: nn.Module, notice: Callable[[str], None]) -> None:
    tensors = (*module.parameters(), *module.buffers())
    others = {str(tensor.dtype) for tensor in tensors if tensor.is_floating_point()} - {"torch.float32"}
    if others:
        notice(f"parameters of {', '.join(sorted(others))} are made float32, in which every model is exported")


def _call(path: Path, name: str) -> tuple[nn.Module, ModelSpec]:
    if not path.is_file():
        raise UsageError(f"--model {path}:{name}: no such file")
    try:
        factory = getattr(_import(path), name, None)
        if not callable(factory):
            raise UsageError(f"--model {path}:{name}: the file defines no function {name!r}")
        result = factory()
    except UsageError:
        raise
    except (Exception, SystemExit) as exc:
        last = traceback.extract_tb(exc.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        raise UsageError(f"--model {path}:{name}: {type(exc).__name__} at {where}: {exc}") from exc
    module, spec = result if isinstance(result, tuple) and len(result) == 2 else (result, ModelSpec(name))
    if not isinstance(module, nn.Module) or not isinstance(spec, ModelSpec):
        raise UsageError(
            f"--model {path}:{name}: returned {_kind(result)}, expected a torch.nn.Module, or a pair of one and a "
            "tritonrepo.export.ModelSpec"
        )
    return module, spec


def _import(path: Path) -> object:
    """The file as a module, able to import its neighbours as if it were run as a script."""
    sys.path.append(str(path.resolve().parent))
    # Under a name of ours: the file's own may be that of a library, or none that TorchScript can write down.
    spec = importlib.util.spec_from_file_location(IMPORTED_AS, path)
    assert spec is not None  # only unknown suffixes have none, and this one is .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[IMPORTED_AS] = module
    spec.loader.exec_module(module)
    return module


def _kind(result: object) -> str:
    if isinstance(result, tuple):
        return f"a tuple ({', '.join(type(item).__name__ for item in result)})"
    return f"an object of type {type(result).__name__}"
