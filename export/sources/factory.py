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
from tritonrepo.export import checkpoint, checkpoint_file, weights
from tritonrepo.export.options import Notice, Options
from tritonrepo.export.sources.loaded import Loaded, Origins
from tritonrepo.export.unwrap import unwrap
from tritonrepo.repository.spec import ModelSpec

IMPORTED_AS = "model_file"


def load(model: str, options: Options, notice: Notice) -> Loaded:
    """What the function returns: a module, or a pair of one and its spec.

    Args:
        model: `FILE.py:FACTORY` or `package.module:FACTORY`.
        options: `--weights`: a checkpoint's path; None: the module keeps the weights it came with.
        notice: Takes a sentence.

    Raises:
        UsageError: The function cannot be had, or gives something else.
        WeightsError: The checkpoint does not fit.
    """
    where, _, name = model.rpartition(":")
    _refuse(model, options)
    module, spec = _call(model, where, name)
    _restore_defaults(notice)
    module = unwrap(module, notice)
    try:
        weights.tell_precision((*module.parameters(), *module.buffers()), notice)
        module = module.cpu().float()
        _evaluate(module)
        provenance = weights.of_module(module, f"factory {Path(where).name}:{name}", (spec or ModelSpec(name)).trained)
    except (RuntimeError, ValueError, TypeError, AttributeError) as exc:  # a lazy module, one without data, ...
        raise UsageError(f"--model {model}: its parameters cannot be read: {exc}") from exc
    if options.weights is not None:
        path = weights.checkpoint_path(options.weights, model)
        found = checkpoint_file.read(path, checkpoint.size(module), options.ema, notice)
        module, provenance = weights.from_tensors(module, found, notice)
    return Loaded(module, spec or ModelSpec(name), provenance, _origins(spec, name))


def _refuse(model: str, options: Options) -> None:
    if options.classes is not None:
        raise UsageError(
            f"--classes {options.classes}: a function of your own builds its head itself; let that of --model {model} "
            f"return a network of {options.classes} classes"
        )
    if options.weights is None:
        weights.refuse_ema(options)


def _origins(spec: ModelSpec | None, name: str) -> Origins:
    if spec is None:
        return Origins(f"ImageNet's conventions, because {name} returns no ModelSpec")
    return Origins(f"the ModelSpec of {name}", f"the ModelSpec of {name}")


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


def _call(model: str, where: str, name: str) -> tuple[nn.Module, ModelSpec | None]:
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
        if isinstance(exc, ModuleNotFoundError) and f"{where}.".startswith(f"{exc.name}."):
            raise UsageError(
                f"--model {model}: there is no module {exc.name}; networks of libraries are timm:NAME, "
                "torchvision:NAME and hf:DIR"
            ) from exc
        last = traceback.extract_tb(exc.__traceback__)[-1]
        line = f"{Path(last.filename).name}, line {last.lineno}"
        raise UsageError(f"--model {model}: {type(exc).__name__} at {line}: {exc}") from exc
    module, spec = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
    if not isinstance(module, nn.Module) or not isinstance(spec, ModelSpec | None):
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
