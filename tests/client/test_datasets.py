"""Class names, and data sets of folders and csv files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonrepo.client.contract import ModelContract, Tensor
from tritonrepo.client.datasets import Example, class_index, examples
from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing

LABELS = ("tench, Tinca tinca", "crane", "crane", "tabby, tabby cat")
CONTRACT = ModelContract(
    name="net",
    max_batch_size=8,
    batched=True,
    input=Tensor("INPUT__0", "FP32", (3, 224, 224)),
    output=Tensor("OUTPUT__0", "FP32", (4,)),
    preprocessing=Preprocessing(),
    trained=True,
    synsets=("n01440764", "n02012849", "n03126707", "n02123045"),
)
CLASSES = class_index(CONTRACT, LABELS)


def test_classes_go_by_synset_label_part_and_index_but_not_by_a_shared_name() -> None:
    names = ("n02123045", "Tabby, tabby cat", "tabby cat", "3")
    assert {CLASSES[name.lower()] for name in names} == {3}
    assert "crane" not in CLASSES
    assert CLASSES["n03126707"] == 2


def test_folders_are_classes(tmp_path: Path) -> None:
    for name in ("n02123045/b.png", "n02123045/a.png", "tench/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [(Path(e.name).name, e.truth) for e in examples(tmp_path, CLASSES)]
    assert found == [("a.png", 3), ("b.png", 3), ("c.png", 0)]


def test_a_csv_is_a_data_set(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("label,image\ntabby,a b.png\nn01440764,https://example.org/x.png\n")
    first, second = examples(path, CLASSES)
    assert (first.truth, first.source.content) == (3, tmp_path / "a b.png")
    assert (second.truth, second.source.content) == (0, "https://example.org/x.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [("image,class\n", "columns `image` and `label`"), ("image,label\na.png,zebra\nb.png,crane\n", "'crane', 'zebra'")],
)
def test_a_wrong_csv_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "set.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        examples(path, CLASSES)


def test_a_spreadsheets_csv_has_a_byte_order_mark_and_its_own_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_bytes("image,label\r\na\u2028b.png,tabby\r\n".encode("utf-8-sig"))
    (example,) = examples(path, CLASSES)
    assert (example.name, example.truth) == ("a\u2028b.png", 3)


def test_a_row_without_a_label_is_named(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("image,label\na.png\nb.png,zebra\n")
    with pytest.raises(UsageError, match="no class '', 'zebra'"):
        examples(path, CLASSES)


def test_wrong_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such directory"):
        examples(tmp_path / "missing", CLASSES)
    with pytest.raises(UsageError, match="no folders"):
        examples(tmp_path, CLASSES)
    (tmp_path / "zebra").mkdir()
    with pytest.raises(UsageError, match="no class 'zebra'"):
        examples(tmp_path, CLASSES)


def test_examples_have_their_images_name(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "a.png").touch()
    (example,) = examples(tmp_path, CLASSES)
    assert isinstance(example, Example)
    assert example.name == str(tmp_path / "3" / "a.png")
