"""The scores among what a network returns, where that is more than a tensor: one rule, or `--output`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

import torch
from torch import Tensor, nn

from tritonrepo.client.errors import UsageError
from tritonrepo.export import copies
from tritonrepo.export.options import Notice

NAME = "logits"
"""What the scores are called by most libraries."""
PICTURES = 2
"""In the batch that shows what a network returns."""


@dataclass(frozen=True)
class Entry:
    """A part of what a network returns.

    Attributes:
        name: Its key, attribute or index, as in `--output`.
        value: What it is for the batch that was tried.
        by_attribute: Whether it is had by its attribute.
        key: By what it is had.
    """

    name: str
    value: object
    by_attribute: bool
    key: Any

    def __str__(self) -> str:
        value = self.value
        if not isinstance(value, Tensor):
            return f"{self.name} ({type(value).__name__})"
        return f"{self.name} ({str(value.dtype).removeprefix('torch.')} {list(value.shape)})"


class Scores(nn.Module):
    """A network of which one part of what it returns is taken."""

    def __init__(self, module: nn.Module, entry: Entry) -> None:
        super().__init__()
        self.module = module
        self.take = attrgetter(entry.key) if entry.by_attribute else itemgetter(entry.key)

    def forward(self, images: Tensor) -> Tensor:
        """`[N, channels, height, width]` -> `[N, classes]`."""
        scores: Tensor = self.take(self.module(images))
        return scores


def choose(
    module: nn.Module, shape: tuple[int, int, int], wanted: str | None, notice: Notice
) -> tuple[nn.Module, int | None]:
    """The network that returns its scores alone, and how many classes it has.

    The rule: a tensor is the scores. Of several parts it is the one named `logits`, or else the only `[N, classes]`
    of floating point.

    Args:
        module: In evaluation mode. It is not called: a copy of it is, where it can be copied.
        shape: Of a picture: channels, height, width.
        wanted: As in `--output`; it goes before the rule.
        notice: Is told what is taken of several parts.

    Returns:
        No number of classes where the scores are none that the reference takes.

    Raises:
        UsageError: The rule finds none, or `wanted` is not there. The message names the parts.
    """
    output, size = _tried(module, shape)
    found = {entry.name: entry for entry in _entries(output)}
    kind = type(output).__name__
    if not found and (wanted is None or size == 0):  # a tensor, or what the reference refuses
        return module, _classes(output, size)
    if not found:
        raise UsageError(f"--output {wanted}: the network returns a {kind} alone, of which no part can be taken")
    entry, why = _by_rule(found, size) if wanted is None else _by_name(output, found, wanted)
    if entry is None or not isinstance(entry.value, Tensor):
        asked = "" if wanted is None else f"--output {wanted}: "
        remedy = "say which are the scores with --output KEY" if wanted is None else "take another"
        parts = ", ".join(map(str, found.values()))
        raise UsageError(f"{asked}the network returns a {kind} of {parts}; {why}; {remedy}")
    notice(f"output: {entry.name} of the {kind} that the network returns, {why}")
    return Scores(module, entry).eval(), _classes(entry.value, size)


def _tried(module: nn.Module, shape: tuple[int, int, int]) -> tuple[object, int]:
    """What a copy returns for some black pictures, or for one where it takes no more, and for how many; 0: it fails."""
    for size in (PICTURES, 1):
        try:
            with torch.no_grad():
                return copies.fresh(module)(torch.zeros(size, *shape)), size
        except (Exception, SystemExit):  # the reference says more of a network that fails
            continue
    return None, 0


def _by_rule(found: Mapping[str, Entry], size: int) -> tuple[Entry | None, str]:
    others = f"--output takes another of {', '.join(found)}"
    if NAME in found and isinstance(found[NAME].value, Tensor):
        return found[NAME], f"because of its name; {others}"
    scores = [entry for entry in found.values() if _are_scores(entry.value, size)]
    if len(scores) == 1:
        return scores[0], f"because it is the only one that is [N, classes]; {others}"
    return None, f"none is named {NAME}, and {len(scores) or 'none'} of them are [N, classes]"


def _by_name(output: object, found: Mapping[str, Entry], wanted: str) -> tuple[Entry | None, str]:
    if wanted in found:
        entry = found[wanted]
    elif wanted.isdecimal() and int(wanted) < len(found):
        entry = list(found.values())[int(wanted)]
    elif wanted.isidentifier() and hasattr(output, wanted):
        entry = Entry(wanted, getattr(output, wanted), True, wanted)
    else:
        return None, "there is no such part"
    return entry, "as --output says" if isinstance(entry.value, Tensor) else f"{entry} is no tensor"


def _are_scores(value: object, size: int) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 2 and len(value) == size


def _classes(value: object, size: int) -> int | None:
    return value.shape[1] if isinstance(value, Tensor) and _are_scores(value, size) and value.shape[1] > 1 else None


def _entries(output: object) -> Iterator[Entry]:
    """The parts of a mapping, a tuple, a dataclass or another object; none of a tensor or of a plain value."""
    if isinstance(output, Tensor):
        return
    if isinstance(output, Mapping):
        yield from (Entry(str(key), value, False, key) for key, value in output.items())
    elif isinstance(output, (tuple, list)):
        names = getattr(output, "_fields", range(len(output)))
        yield from (Entry(str(name), output[index], False, index) for index, name in enumerate(names))
    else:
        fields = getattr(output, "__dict__", {})
        slots = [name for name in getattr(type(output), "__slots__", ()) if hasattr(output, name)]
        names = [*fields, *slots]
        yield from (Entry(name, getattr(output, name), True, name) for name in names)
