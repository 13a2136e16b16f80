"""Reading a checkpoint file into a module, strictly: every key accounted for, no code executed."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from re import fullmatch, search
from typing import Any

import torch
from torch import Tensor, nn

from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command
from tritonrepo.export.errors import WeightsError

KEYS_LISTED = 10
PREFIXES = ("module.", "model.", "_orig_mod.")
"""What DataParallel, Lightning and torch.compile put before each key, in whatever order."""
MOST_COPIES = 8
"""How many times the network's size may be in a file: FP64 for FP32, with Adam's two averages and a moving one."""
_ROOM = 64 << 20
_UNUSED = "num_batches_tracked"
"""BatchNorm's step counter: older checkpoints lack it, and evaluation never reads it."""


def load(module: nn.Module, path: Path) -> None:
    """Copy the checkpoint's tensors into `module`.

    Accepts a tensor dictionary or `{"state_dict": …}`, PREFIXES, and the `layerN` names of NVIDIA's 20.06.0
    checkpoints where the network has no such name itself.

    Raises:
        WeightsError: It is anything else; missing, unexpected and misshapen keys are listed by name.
    """
    expected = module.state_dict()
    content = read(path, sum(value.nbytes for value in expected.values()))
    names = {key: _canonical(key, expected) for key in content}
    state = {names[key]: value for key, value in content.items()}
    if len(state) < len(content):
        twice = [key for key in content if key != names[key] and names[key] in content]
        raise WeightsError(f"{path}: holds these keys twice, with a prefix and without: {_some(twice)}")
    state = {key: _fit(value, expected[key]) if key in expected else value for key, value in state.items()}
    problems = _problems(state, expected)
    if problems:
        raise WeightsError(f"{path}: not a checkpoint of this network\n" + "\n".join(problems))
    try:
        module.load_state_dict({**expected, **state})
    except RuntimeError as exc:  # sparse or quantised tensors, or some without data
        raise WeightsError(f"{path}: its tensors cannot be copied into the network: {_first_line(exc)}") from exc


def read(path: Path, needed: int) -> dict[str, Tensor]:
    """The tensor dictionary in a checkpoint file, on the CPU.

    Args:
        path: The file.
        needed: Bytes of the tensors that are wanted. What unpacks to far more is refused before it is unpacked.

    Raises:
        WeightsError: It cannot be read, or is something else.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such checkpoint file; --weights takes ngc, auto, seeded[:N] or a file's path")
    _refuse_bomb(path, needed)
    try:
        content = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    except MissingError:
        raise
    except pickle.UnpicklingError as exc:
        raise WeightsError(
            f"{path}: refused, it is not a file of plain tensors{_forbidden(exc)}; loading it could run code. "
            "Save it again as torch.save(module.state_dict(), PATH)"
        ) from exc
    except Exception as exc:  # a damaged file makes the unpickler raise anything
        raise WeightsError(
            f"{path}: cannot be read, truncated or not a PyTorch checkpoint ({_first_line(exc)}); fetch it again"
        ) from exc
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a dictionary of tensors")
    foreign = [key for key, value in content.items() if not _is_real_tensor(key, value)]
    if foreign:
        raise WeightsError(
            f"{path}: not a dictionary of real tensors; these entries are something else: {_some(foreign)}"
        )
    return dict(content)


def _pickled(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of storage classes that old checkpoints use
        return torch.load(path, map_location="cpu", weights_only=True)


def _safetensors(path: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ModuleNotFoundError as exc:
        raise MissingError(f"{path}: the package safetensors is not installed: {install_command('sources')}") from exc
    return load_file(path)


def _refuse_bomb(path: Path, needed: int) -> None:
    most = MOST_COPIES * needed + _ROOM
    if (size := _unpacked_size(path)) > most:
        raise WeightsError(
            f"{path}: refused, it unpacks to {size:,} bytes, and the network has {needed:,}; at most {most:,} are "
            "read. Is it a checkpoint of another network? Save the weights alone: torch.save(module.state_dict(), PATH)"
        )


def _unpacked_size(path: Path) -> int:
    """What the archive's directory declares, which PyTorch goes by; the file's own size if it is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
        return path.stat().st_size


def _is_real_tensor(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, Tensor) and not value.is_complex()


def _forbidden(exc: Exception) -> str:
    """What the pickle names that it must not, as far as PyTorch says so; the rest of its message advises to run it."""
    found = search(r"GLOBAL ([\w.]+)", str(exc))
    return f" (it names {found[1]})" if found else ""


def _canonical(key: str, expected: Mapping[str, Tensor]) -> str:
    """The network's name for a key: as it stands, if the network has it; else without what was put before it."""
    bare = key
    while bare not in expected and (prefix := next((one for one in PREFIXES if bare.startswith(one)), None)):
        bare = bare.removeprefix(prefix)
    if bare not in expected and (match := fullmatch(r"layer(\d+)\.(.*)", bare)):
        return f"layers.{int(match[1]) - 1}.{match[2]}"
    return bare


def _fit(value: Tensor, expected: Tensor) -> Tensor:
    """Squeeze-excitation weights come as Linear `[out, in]` or as 1x1 Conv2d `[out, in, 1, 1]`: the same numbers."""
    if value.shape == (*expected.shape, 1, 1) or (*value.shape, 1, 1) == expected.shape:
        return value.reshape(expected.shape)
    return value


def _problems(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    missing = [key for key in expected if key not in state and not key.endswith(_UNUSED)]
    unexpected = [key for key in state if key not in expected]
    misshapen = [
        f"{key} is {list(state[key].shape)}, expected {list(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen))
    return [f"  {kind} ({len(keys)}): {_some(keys)}" for kind, keys in kinds if keys]


def _some(keys: list[str]) -> str:
    rest = len(keys) - KEYS_LISTED
    return ", ".join(map(str, keys[:KEYS_LISTED])) + (f", and {rest} more" if rest > 0 else "")


def _first_line(exc: Exception) -> str:
    return (str(exc).strip() or type(exc).__name__).splitlines()[0]
