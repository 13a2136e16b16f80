"""What of a contract differs between two versions of a model, in words."""

from collections.abc import Iterator, Sequence

from google.protobuf.json_format import MessageToDict

from tritonrepo.client.contract import ModelContract, Tensor, parse_contract
from tritonrepo.client.errors import ContractError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.layout import parse_config

_UNREADABLE = (ConfigError, ContractError, KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What a configuration without a contract, or with one that cannot be read, leads to."""


def find_changes(before: str, labels: Sequence[str], after: str, other_labels: Sequence[str]) -> tuple[str, ...]:
    """A phrase for each field that differs; none for a field that one of them does not have.

    Args:
        before: The configuration of the version before.
        labels: Its labels.
        after: The configuration of the version after it.
        other_labels: Its labels.
    """
    old, new = _contract(before), _contract(after)
    fields = _fields(old, new) if old and new else ()
    return (*fields, *_labels(labels, other_labels))


def _contract(text: str) -> ModelContract | None:
    try:
        return parse_contract(MessageToDict(parse_config(text, "config.pbtxt"), preserving_proto_field_name=True))
    except _UNREADABLE:
        return None


def _fields(old: ModelContract, new: ModelContract) -> Iterator[str]:
    yield from _preprocessing(old.preprocessing, new.preprocessing)
    yield from _change("input", _words(old.input), _words(new.input))
    yield from _change("output", *(f"{one.output.name} {one.output.datatype}" for one in (old, new)))
    yield from _change("classes", old.classes, new.classes)
    yield from _change("scores", old.scores, new.scores)
    yield from _change("largest batch", old.max_batch_size, new.max_batch_size)
    yield from _change("trained", _yes(old.trained), _yes(new.trained))
    if len(old.synsets) == len(new.synsets):
        yield from _names("synsets", old.synsets, new.synsets)
    else:
        yield from _change("synsets", len(old.synsets), len(new.synsets))


def _preprocessing(old: Preprocessing, new: Preprocessing) -> Iterator[str]:
    """Step by step, where both have the same kinds of steps."""
    if [step.name for step in old.steps] == [step.name for step in new.steps]:
        for number, (one, other) in enumerate(zip(old.steps, new.steps, strict=True), 1):
            yield from _change(f"preprocessing step {number}", one, other)
    else:
        yield from _change("preprocessing steps", *(", ".join(map(str, one.steps)) for one in (old, new)))
    yield from _change("channels", old.channels, new.channels)


def _labels(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    if len(old) != len(new):
        yield from _change("labels", len(old), len(new))
    else:
        yield from _names("labels", old, new)


def _names(what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    changed = [index for index, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    if changed:
        first = changed[0]
        yield f"{what}: {len(changed)} of {len(old)} differ, first class {first}: {old[first]!r} -> {new[first]!r}"


def _change(what: str, old: object, new: object) -> Iterator[str]:
    if old != new:
        yield f"{what}: {old} -> {new}"


def _words(tensor: Tensor) -> str:
    return f"{tensor.name} {tensor.datatype} {list(tensor.shape)}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
