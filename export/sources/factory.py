"""A function of the user's own: `FILE.py:FACTORY` or `package.module:FACTORY`."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from tritonrepo.client.errors import UsageError
from tritonrepo.export import weights
from tritonrepo.export.sources.loaded import Loaded, Notice
from tritonrepo.export.unwrap import unwrap
from tritonrepo.repository.spec import ModelSpec

IMPORTED_AS = "model_file"


def load(model: str, source: str | None, notice: Notice) -> Loaded:
    """What the function returns: a module, or a pair of one and its spec.

    Args:
        model: `FILE.py:FACTORY` or `package.module:FACTORY`.
        source: A checkpoint's path; None: the module keeps the weights it came with.
        notice: Takes a sentence.

    Raises:
        UsageError: The function cannot be had, or gives something else.
        WeightsError: The checkpoint does not fit.
    """
    where, _, name = model.rpartition(":")
    module, spec = _call(model, where, name)
    _restore_defaults(notice)
    module = unwrap(module, notice)
    try:
        _tell_precision(module, notice)
        module = module.cpu().float()
        _evaluate(module)
        provenance = weights.of_module(module, f"factory {Path(where).name}:{name}", spec.trained)
    except (RuntimeError, ValueError, TypeError, AttributeError) as exc:  # a lazy module, one without data, ...
        raise UsageError(f"--model {model}: its parameters cannot be read: {exc}") from exc
    if source is not None:
        module, provenance = weights.from_path(module, source, model)
    return Loaded(module, spec, provenance)


def _evaluate(module: nn.Module) -> None:
    """Switch to evaluation mode; a program that torch.export made has the one in which it was exported."""
    try:
        module.eval()
    except NotImplementedError:
        if not isinstance(module, torch.fx.GraphModule):
            raise


def _restore_defaults(notice: Notice) -> None:
    """A server has PyTorch's own defaults, so the module is run with these."""
    if torch.get_default_dtype() != torch.float32:
        notice(f"the model's file sets torch's default dtype to {torch.get_default_dtype()}; float32 is taken instead")
        torch.set_default_dtype(torch.float32)
    if torch.get_default_device() != torch.device("cpu"):
        notice(f"the model's file sets torch's default device to {torch.get_default_device()}; cpu is taken instead")
        torch.set_default_device("cpu")


def _tell_precision(module: nn.Module, notice: Notice) -> None:
    tensors = (*module.parameters(), *module.buffers())
    others = {str(tensor.dtype) for tensor in tensors if tensor.is_floating_point()} - {"torch.float32"}
    if others:
        notice(f"parameters of {', '.join(sorted(others))} are made float32, in which every model is exported")


def _call(model: str, where: str, name: str) -> tuple[nn.Module, ModelSpec]:
    if where.endswith(".py") and not Path(where).is_file():
        raise UsageError(f"--model {model}: no such file")
    try:
        factory = getattr(_import(where), name, None)
        if not callable(factory):
            raise UsageError(f"--model {model}: the {_home(where)} defines no function {name!r}")
        result = factory()
    except UsageError:
        raise
    except (Exception, SystemExit) as exc:
        last = traceback.extract_tb(exc.__traceback__)[-1]
        line = f"{Path(last.filename).name}, line {last.lineno}"
        raise UsageError(f"--model {model}: {type(exc).__name__} at {line}: {exc}") from exc
    module, spec = result if isinstance(result, tuple) and len(result) == 2 else (result, ModelSpec(name))
    if not isinstance(module, nn.Module) or not isinstance(spec, ModelSpec):
        raise UsageError(
            f"--model {model}: returned {_kind(result)}, expected a torch.nn.Module, or a pair of one and a "
            "tritonrepo.export.ModelSpec"
        )
    return module, spec


def _home(where: str) -> str:
    return "file" if where.endswith(".py") else "module"


def _import(where: str) -> ModuleType:
    """The file as a module, able to import its neighbours as if it were run as a script; or the module of this name."""
    if not where.endswith(".py"):
        if (folder := str(Path.cwd())) not in sys.path:
            sys.path.append(folder)
        return importlib.import_module(where)
    path = Path(where)
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
