"""Releases that change everything at once, and what each has to answer."""

from functools import cache
from pathlib import Path

from tests.live.releases import Release

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta")
SAME_CONTRACT = 4
"""This version has the contract of the one before it, and other weights."""


def release_of(version: int) -> Release:
    """It differs from those before it in mean, crop, size of the input, label order, number of classes and weights."""
    contract = SAME_CONTRACT - 1 if version == SAME_CONTRACT else version
    turn = contract % len(WORDS)
    return Release(
        side=(32, 24, 28)[contract % 3],
        mean=0.1 + 0.06 * (contract % 7),
        labels=(WORDS[turn:] + WORDS[:turn])[: 4 + contract % 3],
        most=(3, 8, 5)[contract % 3],
        resize=(36, 48, 42)[contract % 3],
        scale=1 + 0.2 * version,
    )


@cache
def expected(version: int, picture: Path) -> dict[str, float]:
    """The score of each label."""
    return release_of(version).expected(picture)
