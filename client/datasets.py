"""Images whose class is known: folders named by class, or a csv; and the names by which a class may be called."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.errors import UsageError
from tritonrepo.client.sources import Source, expand, of_name
from tritonrepo.client.text import read_text, same_name

ARCHIVERS_FOLDER = "__MACOSX"
"""What macOS puts into a zip file beside its content; it holds no pictures."""


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
        classes.setdefault(same_name(name), set()).add(index)
    known = {name: indices.pop() for name, indices in classes.items() if len(indices) == 1}
    return {str(i): i for i in range(contract.classes)} | known


def examples(dataset: Path, classes: Mapping[str, int], left_out: Counter[str] | None = None) -> Iterator[Example]:
    """The images of class folders or of a csv with the columns `image` (from the csv's folder) and `label`.

    Args:
        dataset: The directory or the file.
        classes: What `class_index` gives.
        left_out: As `expand` has it.

    Raises:
        UsageError: The dataset is neither, or has classes that the model does not have (all are named), or rows
            that are not whole.
    """
    if dataset.is_dir():
        return _from_folders(dataset, classes, left_out)
    if dataset.is_file():
        return _from_csv(dataset, classes)
    raise UsageError(f"{dataset}: no such directory or csv file")


def _from_folders(dataset: Path, classes: Mapping[str, int], left_out: Counter[str] | None) -> Iterator[Example]:
    beside = (".", ARCHIVERS_FOLDER)
    folders = sorted(path for path in dataset.iterdir() if path.is_dir() and not path.name.startswith(beside))
    if not folders:
        raise UsageError(f"{dataset} has no folders; each class needs one, named by its synset id or label")
    _refuse_unknown((folder.name for folder in folders), classes, dataset)
    return (
        Example(source, classes[same_name(folder.name)])
        for folder in folders
        for source in expand([str(folder)], left_out)
    )


def _from_csv(dataset: Path, classes: Mapping[str, int]) -> Iterator[Example]:
    try:
        pairs = _rows(dataset)
    except csv.Error as exc:
        raise UsageError(f"{dataset} is no csv that can be read: {exc}; is a quotation mark missing?") from exc
    _refuse_unknown((label for _, label in pairs), classes, dataset)
    return (Example(of_name(name, dataset.parent / name), classes[same_name(label)]) for name, label in pairs)


def _rows(dataset: Path) -> list[tuple[str, str]]:
    """The image and the label of each row. Spreadsheets separate by semicolons where the comma is in numbers."""
    text = read_text(dataset, "surrogateescape")
    for delimiter in ",;\t":
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        columns = [same_name(column) for column in next(rows, [])]
        if {"image", "label"} <= set(columns):
            return _pairs(dataset, rows, columns)
    raise UsageError(f"{dataset}: its first line does not name the columns `image` and `label`")


def _pairs(dataset: Path, rows: Any, columns: list[str]) -> list[tuple[str, str]]:
    image, label = columns.index("image"), columns.index("label")
    pairs, problems = [], []
    for row in rows:
        if not any(row):
            continue
        if len(row) != len(columns):
            problems.append(f"line {rows.line_num} has {len(row)} cells for {len(columns)} columns")
        elif not (row[image].strip() and row[label].strip()):
            problems.append(f"line {rows.line_num} has no {'image' if row[label].strip() else 'label'}")
        else:
            pairs.append((row[image], row[label]))
    if problems:
        more = f", and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UsageError(f"{dataset}: {'; '.join(problems[:5])}{more}")
    return pairs


def _refuse_unknown(names: Iterable[str], classes: Mapping[str, int], dataset: Path) -> None:
    unknown = sorted({name for name in names if same_name(name) not in classes})
    if unknown:
        listed = ", ".join(map(repr, unknown[:10])) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        raise UsageError(
            f"{dataset}: the model has no class {listed}. A class is named by its synset id, its label, one of a "
            "label's names, or its index; a name that two classes share does not do."
        )
