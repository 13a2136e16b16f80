"""Images whose class is known: folders named by class, or a csv; and the names by which a class may be called."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.errors import UsageError
from tritonrepo.client.sources import Source, expand


@dataclass(frozen=True)
class Example:
    """An image and the index of its class."""

    source: Source
    truth: int

    @property
    def name(self) -> str:
        """The image's."""
        return self.source.name


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
        classes.setdefault(_key(name), set()).add(index)
    known = {name: indices.pop() for name, indices in classes.items() if len(indices) == 1}
    return {str(i): i for i in range(contract.classes)} | known


def examples(dataset: Path, classes: Mapping[str, int]) -> Iterator[Example]:
    """The images of class folders or of a csv with the columns `image` (from the csv's folder) and `label`.

    Raises:
        UsageError: The dataset is neither, or has classes that the model does not have (all are named).
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
    with dataset.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.DictReader(file, restval="")
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
    unknown = sorted({name for name in names if _key(name) not in classes})
    if unknown:
        listed = ", ".join(map(repr, unknown[:10])) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise UsageError(
            f"{dataset}: the model has no class {listed}. A class is named by its synset id, its label, one of a "
            "label's names, or its index; a name that two classes share does not do."
        )
