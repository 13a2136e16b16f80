"""What clients were told, held against what each version has to say."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.versions.releases import expected

TOLERANCE = 2e-3


@dataclass
class Seen:
    """What came back of the images that were asked for.

    Attributes:
        asked: Images, in their order.
        answered: Names of the images, in the order of their results.
        versions: How many images each version answered.
        wrong: Answers that are not those of the version that they name.
        errors: Where there was no answer.
    """

    asked: Sequence[str]
    answered: list[str] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def note(self, image: str, version: str, scores: Mapping[str, float], error: str | None) -> None:
        """One result."""
        self.answered.append(image)
        if error is not None:
            self.errors.append(f"{image}: {error}")
            return
        self.versions[version] += 1
        if not is_right(image, version, scores):
            self.wrong.append(f"{image} by version {version}: {dict(scores)}")

    @property
    def lost(self) -> int:
        """Images without a result."""
        return (Counter(self.asked) - Counter(self.answered)).total()

    @property
    def doubled(self) -> int:
        """Results beyond one for each image."""
        return (Counter(self.answered) - Counter(self.asked)).total()

    def problems(self) -> list[str]:
        """All that must not be."""
        found = [*self.wrong, *self.errors]
        if list(self.asked) != self.answered:
            found.append(f"{self.lost} images lost and {self.doubled} doubled, or their order is another")
        return found


def is_right(image: str, version: str, scores: Mapping[str, float]) -> bool:
    """Whether labels, classes, preprocessing and weights are all those of the version that is named."""
    wanted = expected(int(version), Path(image))
    return scores.keys() == wanted.keys() and all(
        math.isclose(score, wanted[label], abs_tol=TOLERANCE) for label, score in scores.items()
    )
