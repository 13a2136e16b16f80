"""Sets of classes that have a name, with the WordNet ids of each: a contract names its set, and every client has it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

IMAGENET = "imagenet-1k"
CLASS_SETS = (IMAGENET,)


@cache
def synsets(name: str) -> tuple[str, ...]:
    """The ids by class index; none where the set is of a later release: they only name the folders of `evaluate`."""
    if name not in CLASS_SETS:
        return ()
    return tuple((files("tritonrepo.client") / f"{name}.txt").read_text("ascii").split())


def name_of(ids: tuple[str, ...]) -> str | None:
    """The set that has these ids, in this order."""
    return next((name for name in CLASS_SETS if ids == synsets(name)), None)
