"""Accuracy over images whose class is known."""

from __future__ import annotations

import csv
import heapq
import json
import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tritonrepo.client.classifier import Classifier
from tritonrepo.client.contract import ModelContract
from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import Options
from tritonrepo.client.results import Result
from tritonrepo.client.sources import Source, expand

Z_95 = 1.959963984540054
TOP = 5


@dataclass(frozen=True)
class Example:
    """An image and the index of its class."""

    source: Source
    truth: int

    @property
    def name(self) -> str:
        return self.source.name


@dataclass(frozen=True)
class Outcome:
    """One image's. `rank`: place of the true class among the best five, from 1, or None. `predicted`: the best class.

    `probability`: of the best class. An `error` instead of these for an image that could not be classified.
    """

    image: str
    model: str
    truth: int
    predicted: int | None = None
    probability: float | None = None
    rank: int | None = None
    error: str | None = None

    def as_json(self) -> str:
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None})


def outcomes(classifier: Classifier, chosen: Iterable[Example], options: Options) -> Iterator[Outcome]:
    """Classify the examples, in order, as they come. Raises what `Classifier.run` raises."""
    truths: deque[int] = deque()

    def listed() -> Iterator[Source]:
        for example in chosen:
            truths.append(example.truth)
            yield example.source

    for result in classifier.run(listed(), replace(options, top=TOP)):
        yield outcome(truths.popleft(), result)


def outcome(truth: int, result: Result) -> Outcome:
    """`result` holds the image's five best predictions, or an error."""
    if result.error is not None:
        return Outcome(result.image, result.model, truth, error=result.error)
    indices = [prediction.index for prediction in result.predictions]
    rank = indices.index(truth) + 1 if truth in indices else None
    best = result.predictions[0]
    return Outcome(result.image, result.model, truth, best.index, best.probability, rank)


@dataclass(frozen=True)
class Rate:
    """`hits` of `count`, with Wilson's 95% interval (E. B. Wilson, JASA 22, 1927)."""

    hits: int
    count: int

    @property
    def value(self) -> float:
        return self.hits / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        if not self.count:
            return 0.0, 1.0
        n, p, z2 = self.count, self.value, Z_95**2
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return max(0.0, centre - half), min(1.0, centre + half)


class Score:
    """Accumulates one model's outcomes, in memory that depends on its classes and not on the images."""

    def __init__(self, worst: int = 10) -> None:
        self.count = self.failed = 0
        self._top1 = self._top5 = 0
        self._confusions: Counter[tuple[int, int]] = Counter()
        self._worst: list[tuple[float, int, Outcome]] = []
        self._kept = worst

    def add(self, outcome: Outcome) -> None:
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
        return Rate(self._top1, self.count)

    @property
    def top5(self) -> Rate:
        return Rate(self._top5, self.count)

    def confusions(self, count: int = 10) -> list[tuple[int, int, int]]:
        """(true class, predicted class, how often), the most frequent mistakes first."""
        ordered = sorted(self._confusions.items(), key=lambda item: (-item[1], item[0]))
        return [(truth, predicted, times) for (truth, predicted), times in ordered[:count]]

    def worst(self) -> list[Outcome]:
        """The mistakes that the model was surest of."""
        return [outcome for _, _, outcome in sorted(self._worst, key=lambda entry: entry[:2], reverse=True)]

    def as_dict(self, labels: Sequence[str]) -> dict[str, Any]:
        return {
            "images": self.count,
            "failed": self.failed,
            "top1": self.top1.value,
            "top1_interval": self.top1.interval,
            "top5": self.top5.value,
            "top5_interval": self.top5.interval,
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


def class_index(contract: ModelContract, labels: Sequence[str]) -> dict[str, int]:
    """The names by which a class may be called, in lower case -> its index.

    A synset id, a whole label, one of a label's comma-separated names, or the index; a name that two classes share
    (ImageNet has two cranes) is left out.
    """
    names: list[tuple[str, int]] = [(synset, i) for i, synset in enumerate(contract.synsets)]
    names += [(label, i) for i, label in enumerate(labels)]
    names += [(part.strip(), i) for i, label in enumerate(labels) if "," in label for part in label.split(",")]
    classes: dict[str, set[int]] = {}
    for name, index in names:
        classes.setdefault(name.lower(), set()).add(index)
    known = {name: indices.pop() for name, indices in classes.items() if len(indices) == 1}
    return {str(i): i for i in range(contract.classes)} | known


def examples(dataset: Path, classes: Mapping[str, int]) -> Iterator[Example]:
    """The images of class folders or of a csv with the columns `image` (from the csv's folder) and `label`.

    Raises UsageError for a dataset that is neither, and for classes that the model does not have (all are named).
    """
    if dataset.is_dir():
        return _from_folders(dataset, classes)
    if dataset.is_file():
        return _from_csv(dataset, classes)
    raise UsageError(f"{dataset}: no such directory or csv file")


def _from_folders(dataset: Path, classes: Mapping[str, int]) -> Iterator[Example]:
    folders = sorted(path for path in dataset.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise UsageError(f"{dataset} has no folders; each class needs one, named by its synset id or label")
    _refuse_unknown((folder.name for folder in folders), classes, dataset)
    return (Example(source, classes[_key(folder.name)]) for folder in folders for source in expand([str(folder)]))


def _from_csv(dataset: Path, classes: Mapping[str, int]) -> Iterator[Example]:
    with dataset.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.DictReader(file)
        if not {"image", "label"} <= set(rows.fieldnames or ()):
            raise UsageError(f"{dataset}: its first line does not name the columns `image` and `label`")
        pairs = [(row["image"], row["label"]) for row in rows]
    _refuse_unknown((label for _, label in pairs), classes, dataset)
    return (
        Example(Source(name, name if "://" in name else dataset.parent / name), classes[_key(label)])
        for name, label in pairs
    )


def _key(name: str) -> str:
    return name.strip().lower()


def _refuse_unknown(names: Iterable[str], classes: Mapping[str, int], dataset: Path) -> None:
    unknown = sorted({name for name in names if _key(name or "") not in classes})
    if unknown:
        listed = ", ".join(map(repr, unknown[:10])) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise UsageError(
            f"{dataset}: the model has no class {listed}. A class is named by its synset id, its label, one of a "
            "label's names, or its index; a name that two classes share does not do."
        )


def read_outcomes(path: Path) -> tuple[list[Outcome], int]:
    """The outcomes that an earlier run left, and the bytes of their whole lines. Raises UsageError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    whole = data[: data.rfind(b"\n") + 1]
    try:
        return [Outcome(**json.loads(line)) for line in whole.splitlines()], len(whole)
    except (ValueError, TypeError) as exc:
        raise UsageError(f"{path} was not written by `evaluate --resume`: {exc}") from exc
