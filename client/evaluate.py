"""Accuracy over images whose class is known."""

from __future__ import annotations

import heapq
import json
import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tritonrepo.client.classifier import Classifier
from tritonrepo.client.datasets import Example
from tritonrepo.client.options import Options
from tritonrepo.client.results import Result
from tritonrepo.client.sources import Source

Z_95 = 1.959963984540054
TOP = 5


@dataclass(frozen=True)
class Outcome:
    """What became of one image whose class is known.

    Attributes:
        image: Its name.
        model: Who was asked.
        truth: Index of its class.
        predicted: Index of the best class; none for an image that could not be classified.
        probability: Of the best class.
        rank: Place of the true class among the best five, from 1; none where it is not among them.
        error: Why the image could not be classified.
        version: Of the model; empty where it was not asked.
        best: The indices of the best five classes, from which another truth gives another rank.
        basis: What the outcome depends on, where that is kept.
    """

    image: str
    model: str
    truth: int
    predicted: int | None = None
    probability: float | None = None
    rank: int | None = None
    error: str | None = None
    version: str = ""
    best: tuple[int, ...] = ()
    basis: str | None = None

    def as_json(self) -> str:
        """One line; what is none is left out."""
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None}, allow_nan=False)

    def under(self, truth: int) -> Outcome:
        """The same, where the image's class is another."""
        return replace(self, truth=truth, rank=_rank(truth, self.best))


def outcomes(
    classifier: Classifier, chosen: Iterable[Example], options: Options, version: str = ""
) -> Iterator[Outcome]:
    """Classify the examples, in order, as they come.

    Args:
        classifier: Who is asked.
        chosen: The images, with the classes of `version`.
        options: How they are prepared.
        version: By default the one that answers now. It is asked for as long as it is there; where the one that takes
            over has other classes, the outcomes are errors.

    Raises:
        TritonRepoError: As `Classifier.run`.
    """
    versions = classifier.versions
    version = version or versions.answering()
    names = versions.labels(version), versions.contract(version).synsets
    truths: deque[int] = deque()

    def listed() -> Iterator[Source]:
        for example in chosen:
            truths.append(example.truth)
            yield example.source

    for result in classifier.run(listed(), replace(options, top=TOP, threshold=None), follow=False):
        other = result.version
        if other not in ("", version) and (versions.labels(other), versions.contract(other).synsets) != names:
            result = replace(
                result, predictions=(), error=f"version {other} answered, which has other classes than {version}"
            )
        yield outcome(truths.popleft(), result)


def outcome(truth: int, result: Result) -> Outcome:
    """One image's; `result` holds its five best predictions, or an error."""
    basis = None if result.basis is None else str(result.basis)
    found = Outcome(result.image, result.model, truth, error=result.error, version=result.version, basis=basis)
    if result.error is not None:
        return found
    first = result.predictions[0]
    best = tuple(prediction.index for prediction in result.predictions)
    return replace(found, predicted=first.index, probability=first.probability, rank=_rank(truth, best), best=best)


def _rank(truth: int, best: Sequence[int]) -> int | None:
    return best.index(truth) + 1 if truth in best else None


@dataclass(frozen=True)
class Rate:
    """`hits` of `count`, with Wilson's 95% interval (E. B. Wilson, JASA 22, 1927)."""

    hits: int
    count: int

    @property
    def value(self) -> float:
        """The share, NaN of nothing."""
        return self.hits / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval; all that is possible, of nothing."""
        if not self.count:
            return 0.0, 1.0
        n, p, z2 = self.count, self.value, Z_95**2
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return max(0.0, centre - half), min(1.0, centre + half)


class Score:
    """Accumulates one model's outcomes, in memory that depends on its classes and not on the images.

    Attributes:
        count: Images that were classified.
        failed: Images that could not be.
        versions: Of the model, that answered.
    """

    def __init__(self, worst: int = 10) -> None:
        self.count = self.failed = 0
        self.versions: set[str] = set()
        self._top1 = self._top5 = 0
        self._confusions: Counter[tuple[int, int]] = Counter()
        self._worst: list[tuple[float, int, Outcome]] = []
        self._kept = worst

    def add(self, outcome: Outcome) -> None:
        """Count one image's outcome."""
        self.versions |= {outcome.version} - {""}
        if outcome.predicted is None:
            self.failed += 1
            return
        self.count += 1
        self._top1 += outcome.rank == 1
        self._top5 += outcome.rank is not None
        if outcome.rank != 1:
            self._confusions[outcome.truth, outcome.predicted] += 1
            # The count breaks ties, so that outcomes are never compared; earlier ones stay.
            heapq.heappush(self._worst, (outcome.probability or 0.0, -self.count, outcome))
            if len(self._worst) > self._kept:
                heapq.heappop(self._worst)

    @property
    def top1(self) -> Rate:
        """How often the best class was the true one."""
        return Rate(self._top1, self.count)

    @property
    def top5(self) -> Rate:
        """How often the true class was among the best five."""
        return Rate(self._top5, self.count)

    def confusions(self, count: int = 10) -> list[tuple[int, int, int]]:
        """(true class, predicted class, how often), the most frequent mistakes first."""
        ordered = sorted(self._confusions.items(), key=lambda item: (-item[1], item[0]))
        return [(truth, predicted, times) for (truth, predicted), times in ordered[:count]]

    def worst(self) -> list[Outcome]:
        """The mistakes that the model was surest of."""
        return [outcome for _, _, outcome in sorted(self._worst, key=lambda entry: entry[:2], reverse=True)]

    def as_dict(self, labels: Sequence[str]) -> dict[str, Any]:
        """The JSON object of `evaluate --format json`; of nothing, nothing is known."""
        return {
            "images": self.count,
            "failed": self.failed,
            "top1": self.top1.value if self.count else None,
            "top1_interval": self.top1.interval if self.count else None,
            "top5": self.top5.value if self.count else None,
            "top5_interval": self.top5.interval if self.count else None,
            "confusions": [
                {"truth": labels[truth], "predicted": labels[predicted], "count": times}
                for truth, predicted, times in self.confusions()
            ],
            "worst": [
                {"image": o.image, "truth": labels[o.truth], "predicted": labels[o.predicted or 0]}
                | {"probability": o.probability}
                for o in self.worst()
            ],
        }
