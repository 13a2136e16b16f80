"""Whether two models that saw the same images differ in accuracy, by the images that one of them alone gets right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tritonrepo.client.evaluate import Z_95, Outcome


class Answers:
    """Which images a model got right. It keeps 64 bits of each image's name."""

    def __init__(self) -> None:
        self._right: dict[int, bool] = {}
        self._times: Counter[int] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Note one image; one that could not be classified counts as seen, and says nothing."""
        name = hash(outcome.image)
        self._times[name] += 1
        if outcome.predicted is not None:
            self._right[hash((name, self._times[name]))] = outcome.rank == 1

    def items(self) -> Mapping[int, bool]:
        """By image."""
        return self._right


@dataclass(frozen=True)
class Difference:
    """Of a model to another, over the images that both classified.

    Attributes:
        count: Images that both classified.
        gained: Those that this one alone got right.
        lost: Those that the other alone got right.
    """

    count: int
    gained: int
    lost: int

    @classmethod
    def of(cls, model: Answers, other: Answers) -> Difference:
        """Count."""
        mine, theirs = model.items(), other.items()
        both = mine.keys() & theirs.keys()
        gained = sum(mine[image] and not theirs[image] for image in both)
        lost = sum(theirs[image] and not mine[image] for image in both)
        return cls(len(both), gained, lost)

    @property
    def value(self) -> float:
        """How much more often this one is right; NaN of nothing."""
        return (self.gained - self.lost) / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95%, by Bonett and Price (British Journal of Mathematical and Statistical Psychology 65, 2012)."""
        total = self.count + 2
        gained, lost = (self.gained + 1) / total, (self.lost + 1) / total
        half = Z_95 * math.sqrt((gained + lost - (gained - lost) ** 2) / total)
        return max(-1.0, gained - lost - half), min(1.0, gained - lost + half)

    @property
    def p(self) -> float:
        """McNemar's exact test: how likely so uneven a split of the differing images is if neither model is better."""
        differing, term, tail = self.gained + self.lost, 1, 0
        for few in range(min(self.gained, self.lost) + 1):
            tail += term
            term = term * (differing - few) // (few + 1)
        p: float = 2 * tail / 2**differing
        return min(1.0, p)

    def as_dict(self, other: str) -> dict[str, Any]:
        """For JSON."""
        return {
            "model": other,
            "images": self.count,
            "gained": self.gained,
            "lost": self.lost,
            "difference": self.value if self.count else None,
            "difference_interval": self.interval if self.count else None,
            "mcnemar_p": self.p,
        }

    def sentence(self, model: str, other: str) -> str:
        """For a person."""
        low, high = self.interval
        verdict = "no difference is shown" if self.p >= 0.05 else "they differ"
        return (
            f"{model} against {other}: {self.gained:,} images right by the first alone, {self.lost:,} by the second "
            f"alone; top-1 differs by {self.value:+.2%} ({low:+.2%} to {high:+.2%}), McNemar's exact p = {self.p:.2g}: "
            f"{verdict}"
        )
