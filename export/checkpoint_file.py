"""Reading the tensors of a checkpoint file: whatever training wrote beside them is passed over, and no code is run."""

import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import search
from typing import Any

import torch
from torch import Tensor

from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command
from tritonrepo.client.text import first_line
from tritonrepo.export.errors import WeightsError

RAW = ("state_dict", "model", "model_state_dict")
"""Below which of these keys the weights are: Lightning's and timm's, torchvision's, and that of PyTorch's tutorial."""
AVERAGED = ("state_dict_ema", "model_ema")
"""Below which of these the moving averages of the weights are: timm's and torchvision's."""
BEFORE_AVERAGING = "current_model_state"
"""Lightning's weight averaging puts the averages below `state_dict`, and the raw weights here."""
KEYS_LISTED = 10
MOST_COPIES = 8
"""How many times the network's size may be in a file: FP64 for FP32, with Adam's two averages and a moving one."""
MOST_NAMES = 200
"""Of foreign classes in a file: a training run has some dozens, and PyTorch looks through all at each object."""
MOST_READINGS = 8
"""How often a file is read to find out which of its classes hold items."""
_ROOM = 64 << 20


@dataclass(frozen=True)
class Tensors:
    """What is taken from a checkpoint file.

    Attributes:
        path: The file.
        values: By their keys in the file.
        key: Below which key they were; empty where the file is nothing else.
        averaged: They are moving averages, and the file has raw weights too or `--ema` asked for them.
    """

    path: Path
    values: dict[str, Tensor]
    key: str = ""
    averaged: bool = False

    @property
    def source(self) -> str:
        """As provenance has it: the file, and which of its weights where it has several."""
        return f"file {self.path.name}" + (f", averaged weights below {self.key}" if self.averaged else "")


class Unread:
    """Stands for an object that is no tensor, such as the options of a training run.

    It takes whatever the file says of the object, and keeps and does nothing.
    """

    def __init__(self, *_: object) -> None:
        """Take anything."""

    def __setstate__(self, state: object) -> None:
        """Keep nothing."""


class UnreadItems:
    """Stands for an object of a dictionary's subclass: a dictionary with its items."""

    def __new__(cls, *_: object) -> Any:  # noqa: D102
        return OrderedDict()


class UnreadList:
    """Stands for an object of a list's subclass: a list with its elements."""

    def __new__(cls, *_: object) -> Any:  # noqa: D102
        return []


def read(path: Path, needed: int, ema: bool, notice: Callable[[str], None]) -> Tensors:
    """The tensors in a checkpoint file, on the CPU.

    Args:
        path: The file.
        needed: Bytes of the tensors that are wanted. What unpacks to far more is refused before it is unpacked.
        ema: Whether the moving averages are wanted.
        notice: Is told of a choice between raw weights and averages.

    Raises:
        WeightsError: It cannot be read, or is something else, or has no averages.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such checkpoint file; --weights takes ngc, auto, seeded[:N] or a file's path")
    _refuse_bomb(path, needed)
    content = _content(path)
    if isinstance(content, Unread):
        raise _refusal(path, _name(content))
    if not isinstance(content, Mapping) or not content:
        what = f"a {type(content).__name__}" if content else f"an empty {type(content).__name__}"
        raise WeightsError(f"{path}: holds {what}, not a dictionary of tensors")
    key, averaged = _choose(path, content, ema, notice)
    values = content[key] if key else content
    _check(path, values)
    return Tensors(path, dict(values), key, averaged)


def _choose(path: Path, content: Mapping[Any, Any], ema: bool, notice: Callable[[str], None]) -> tuple[str, bool]:
    """The key below which the tensors are that are taken, and whether these are averages beside raw ones."""
    raw = next((key for key in RAW if isinstance(content.get(key), Mapping)), "")
    averages = next((key for key in AVERAGED if isinstance(content.get(key), Mapping)), "")
    usual = raw or averages
    if raw == RAW[0] and isinstance(content.get(BEFORE_AVERAGING), Mapping):
        raw, averages = BEFORE_AVERAGING, raw
    if ema and not averages:
        raise WeightsError(
            f"{path}: --ema: holds no averaged weights, which are below {' or '.join(AVERAGED)}; it holds "
            + ("tensors alone" if not raw else some([str(key) for key in content]))
        )
    taken = averages if ema else usual
    if raw and averages:
        remedy = "" if taken == averages else "; --ema takes the averaged ones"
        notice(f"{path.name}: raw weights below {raw}, averaged ones below {averages}; {taken} is taken{remedy}")
    return taken, bool(averages) and taken == averages


def _check(path: Path, values: Mapping[Any, Any]) -> None:
    """Refuse what is not tensors alone."""
    foreign = [key for key, value in values.items() if not _is_real_tensor(key, value)]
    objects = [values[key] for key in foreign if isinstance(values[key], Unread)]
    if objects:
        raise _refusal(path, _name(objects[0]))
    if foreign or not values:
        raise WeightsError(
            f"{path}: not a dictionary of real tensors; these entries are something else: {some(foreign) or 'none'}"
            + _below(values)
        )


def _below(values: Mapping[Any, Any]) -> str:
    """A clause about where the tensors are, if they are one key further down."""
    held = (key for key, value in values.items() if isinstance(value, Mapping) and value)
    part = next((key for key in held if all(_is_real_tensor(*item) for item in values[key].items())), None)
    return "" if part is None else f". Those below {part!r} are tensors: save that part alone"


def _is_real_tensor(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, Tensor) and not value.is_complex()


def _content(path: Path) -> Any:
    try:
        return _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    except MissingError:
        raise
    except pickle.UnpicklingError as exc:
        # The rest of PyTorch's message advises to run the code.
        found = search(r"GLOBAL ([\w.]+)", str(exc))
        raise _refusal(path, found[1] if found else "") from exc
    except Exception as exc:  # a damaged file makes the unpickler raise anything
        if "TorchScript archive" in str(exc):
            raise WeightsError(
                f"{path}: is a TorchScript program, and weights are wanted: torch.save(module.state_dict(), PATH)"
            ) from exc
        raise WeightsError(
            f"{path}: cannot be read, truncated or not a PyTorch checkpoint ({first_line(exc)}); fetch it again"
        ) from exc


def _name(stand_in: Unread) -> str:
    return f"{type(stand_in).__module__}.{type(stand_in).__qualname__}"


def _refusal(path: Path, name: str) -> WeightsError:
    named = f" (it names {name})" if name else ""
    return WeightsError(
        f"{path}: refused, it is not a file of plain tensors{named}; loading it could run code. "
        "Save it again, where the network was trained, as torch.save(module.state_dict(), PATH)"
    )


def _pickled(path: Path) -> Any:
    """What `torch.load` reads without running code; objects of the training run are stood in for."""
    kinds: dict[str, type] = dict.fromkeys(_foreign_names(path), Unread)
    for reading in range(MOST_READINGS):
        stand_ins: list[Any] = [(_stand_in(name, kind), name) for name, kind in kinds.items()]
        try:
            with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
                warnings.simplefilter("ignore")  # of storage classes that old checkpoints use
                return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as exc:
            # It takes items for dictionaries and lists themselves alone, and which classes are these shows now.
            found = search(r"Can only (SETITEM|append|extend).* but got <class '([^']+)'>", str(exc))
            if found is None or kinds.get(found[2]) is not Unread or reading == MOST_READINGS - 1:
                raise
            kinds[found[2]] = UnreadItems if found[1] == "SETITEM" else UnreadList
    raise AssertionError("the last reading returns or raises")


def _stand_in(name: str, kind: type) -> type:
    module, _, own = name.rpartition(".")
    return type(own, (kind,), {"__module__": module})


def _foreign_names(path: Path) -> list[str]:
    """The classes and functions in a file that are none of PyTorch's for tensors; none of a file before PyTorch 1.6."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # a damaged file, of which torch.load says more
        return []
    return names if len(names) <= MOST_NAMES else []


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


def some(keys: Sequence[object]) -> str:
    """The first KEYS_LISTED, and how many more."""
    rest = len(keys) - KEYS_LISTED
    return ", ".join(map(str, keys[:KEYS_LISTED])) + (f", and {rest} more" if rest > 0 else "")
