"""Class names, and data sets of folders and csv files."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tritonrepo.client.contract import ModelContract, Tensor
from tritonrepo.client.datasets import Example, class_index, examples
from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.sources import Source

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


def test_what_an_archiver_puts_beside_the_folders_is_no_class(tmp_path: Path) -> None:
    for folder in ("crane", "3", "__MACOSX", ".ipynb_checkpoints"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "a.png")
    found = [(example.name, example.truth) for example in examples(tmp_path, {"3": 3, "crane": 1})]
    assert found == [(str(tmp_path / "3" / "a.png"), 3), (str(tmp_path / "crane" / "a.png"), 1)]


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
    [
        ("image,class\n", "columns `image` and `label`"),
        ("image,label\na.png,zebra\nb.png,crane\n", "'crane', 'zebra'"),
        pytest.param('image,label\na.png,"' + "x" * 200_000, "is a quotation mark missing", id="quotation mark"),
    ],
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


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.png\nb.png,tabby\n", "line 2 has 1 cells for 2 columns"),
        ("a.png,tabby\n\nb, c.png,tabby\n", "line 4 has 3 cells for 2 columns"),
        ("a.png,tabby\nb.png,\n , tabby\n", "line 3 has no label; line 4 has no image"),
        ("a.png\n" * 7, "line 6 has 1 cells for 2 columns, and 2 more"),
        ('"a\n.png",tabby\nb.png\n', "line 4 has 1 cells"),
    ],
)
def test_rows_that_are_not_whole_are_named_by_their_lines(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "set.csv"
    path.write_text(f"image,label\n{rows}")
    with pytest.raises(UsageError, match=message):
        examples(path, CLASSES)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_have_any_spreadsheets_delimiter_and_spaces_in_its_head(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "set.csv"
    path.write_text(f"Image{delimiter} label {delimiter}note\na.png{delimiter}tabby {delimiter}x\n")
    (example,) = examples(path, CLASSES)
    assert (example.name, example.truth) == ("a.png", 3)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_both_spellings_of_a_name_are_one(tmp_path: Path, forms: tuple[Any, Any]) -> None:
    """Of a class in a folder's name or in a csv, and of a picture's file in a csv."""
    said, there = (unicodedata.normalize(form, "caf\u00e9") for form in forms)
    classes = class_index(CONTRACT, (said, "b", "c", "d"))
    folder = tmp_path / "set" / there
    folder.mkdir(parents=True)
    Image.new("RGB", (3, 2)).save(folder / f"{there}.png")
    assert [one.truth for one in examples(tmp_path / "set", classes)] == [0]
    path = tmp_path / "set.csv"
    path.write_text(f"image,label\nset/{said}/{said}.png,{there}\n")
    (example,) = examples(path, classes)
    assert example.truth == 0
    assert example.source.load().size == (3, 2)
    assert example.source.identity() == Source("x", folder / f"{there}.png").identity()


def test_pictures_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    for name in ("3/a.png", "3/b.HEIC", "3/notes.txt", "0/c.heic", "0/d.png", "0/e.dng"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    left_out: Counter[str] = Counter()
    assert len(list(examples(tmp_path, CLASSES, left_out))) == 2
    assert left_out == {".heic": 2, ".dng": 1}


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
