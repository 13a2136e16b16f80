"""What `--labels` takes, and what of it is refused by line or key."""

from pathlib import Path

import pytest

from tritonrepo.client import label_files
from tritonrepo.client.errors import UsageError

THREE = ("ant", "bee", "cat, or dog")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "ant\nbee\ncat, or dog\n"),
        ("a.txt", "ant\nbee\ncat, or dog\n\n \n"),
        ("no_suffix", "\ufeffant\r\nbee\r\ncat, or dog"),
        ("a.json", '["ant", "bee", "cat, or dog"]'),
        ("a.json", '{"2": "cat, or dog", "0": "ant", "1": "bee"}'),
        ("a.JSON", '{"cat, or dog": 2, "ant": 0, "bee": 1}'),
        ("a.csv", 'ant\nbee\n"cat, or dog"\n'),
        ("a.csv", 'name\nant\nbee\n"cat, or dog"\n'),
        ("a.csv", 'index,name\n1,bee\n0,ant\n2,"cat, or dog"\n'),
        ("a.csv", 'Name, Index\n"cat, or dog", 2\nant, 0\nbee, 1\n'),
        ("a.csv", 'label,synset,class_name\n2,n3,"cat, or dog"\n0,n1,ant\n1,n2,bee\n'),
        ("a.csv", 'synset,label\nn1,ant\nn2,bee\nn3,"cat, or dog"\n'),
        ("a.csv", '2,"cat, or dog"\n0,ant\n\n1,bee\n'),
        ("a.csv", "0;ant\n1;bee\n2;cat, or dog\n"),
        ("a.tsv", "class\tlabel\n0\tant\n1\tbee\n2\tcat, or dog\n"),
        ("a.csv", ',name\n1,bee\n0,ant\n2,"cat, or dog"\n'),
        ("a.csv", 'id,index,name\n7,1,bee\n9,0,ant\n8,2,"cat, or dog"\n'),
        ("a.csv", 'id,target,name\n1,0,ant\n2,1,bee\n3,2,"cat, or dog"\n'),
        ("a.csv", 'index,name,images\n1,bee,52\n0,ant,7\n2,"cat, or dog",9\n'),
        ("a.csv", 'id,name\nn1,ant\nn2,bee\nn3,"cat, or dog"\n'),
    ],
)
def test_labels_are_read_in_the_order_of_the_logits(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert label_files.read(tmp_path / name) == THREE


def test_class_folders_are_numbered_as_image_folder_does(tmp_path: Path) -> None:
    """By the code points of their names; files beside them are no classes."""
    for name in ("bee", "Zebra", "10", "9", "été"):
        (tmp_path / name).mkdir()
    (tmp_path / "aardvark.txt").touch()
    assert label_files.read(tmp_path) == ("10", "9", "Zebra", "bee", "été")


def test_names_may_be_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("index,name\n0,1\n1,2\n2,0\n")
    assert label_files.read(tmp_path / "a.csv") == ("1", "2", "0")
    (tmp_path / "a.csv").write_text("index,label\n1,7up\n0,7\n")
    assert label_files.read(tmp_path / "a.csv") == ("7", "7up")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "ant\n\nbee\n", r"a\.txt: label 1 is ''"),
        ("a.json", "{", "is no JSON: .*line 1 column 2"),
        ("a.json", "[" * 100_000, "is no JSON"),
        ("a.json", '"ant"', "neither a list of names nor an object"),
        ("a.json", '["ant", 5]', "key 1 holds 5, not the name of a class"),
        ("a.json", '{"0": "ant", "0": "bee"}', "index 0 is there twice: key 0 and key 0"),
        ("a.json", '{"ant": 0, "bee": 0}', "index 0 is there twice"),
        ("a.json", '{"0": "ant", "2": "bee"}', "index 1 is missing$"),
        ("a.json", '{"1": "ant", "2": "bee"}', "index 0 is missing; the numbers begin at 1, and the first class is 0"),
        ("a.json", '{"0": "ant", "999999999": "bee"}', "index 1, 2, 3, 4, 5, and 999999993 more is missing"),
        ("a.json", '{"0": "ant", "-1": "bee"}', "key -1 has the index -1; the first class is 0"),
        ("a.json", '{"0": "ant", "one": "bee"}', "key 'one' is no whole number"),
        ("a.json", '{"0": ["n1", "ant"]}', r"key 0 holds \['n1', 'ant'\], not the name of a class"),
        ("a.csv", "", "holds no rows"),
        ("a.csv", "index,name\n0,ant\n1,bee\n0,cat\n", "index 0 is there twice: line 2 and line 4"),
        ("a.csv", "index,name\n0,ant\n3,bee\n", "index 1, 2 is missing"),
        ("a.csv", "index,name\n0,ant\n1,cat, or dog\n", "line 3 has 3 columns, and the first line 2; put a label"),
        ("a.csv", 'index,name\n0,"ant\n', "line 2: unexpected end of data"),
        ("a.csv", "n1,ant\nn2,bee\n", "has 2 columns without headings; its headings have to say"),
        ("a.csv", "index,one,two\n0,ant,bee\n", "has columns index, one, two; its headings have to say"),
        ("a.csv", "index,name\n0,\n", "label 0 is ''"),
        ("a.csv", "index,name\n1.0,bee\n0.0,ant\n", "line 2 has '1.0' below 'index', which is no whole number"),
        ("a.csv", "id,name\n1,bee\nx,ant\n", "line 3 has 'x' below 'id', which is no whole number"),
        ("a.csv", "index,name\n1,bee\n,ant\n", "line 3 has '' below 'index', which is no whole number"),
        ("a.csv", "id,target,name\n0,1,bee\n1,0,ant\n", "'id' and 'target' may number the classes, in another order"),
        ("a.csv", "nr,name\n1,bee\n0,ant\n", "'nr' may number the classes, in another order than the rows"),
    ],
)
def test_what_is_wrong_is_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        label_files.read(tmp_path / name)
    assert name in str(caught.value)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name in ("a.txt", "a.csv", "a.json"):
        with pytest.raises(UsageError, match=f"{name} cannot be read"):
            label_files.read(tmp_path / name)
    with pytest.raises(UsageError, match="holds no class folders"):
        label_files.read(tmp_path)
