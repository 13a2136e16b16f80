"""What a run classifies: files, and columns of tables with paths, addresses or image files."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.fuzz.hostile import HostileServer, response, sending
from tritonrepo.batch.inputs import Files, Input, Row, open_input
from tritonrepo.client.errors import ImageError, UsageError
from tritonrepo.client.sources import Source


def png(side: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (side, 10)).save(data, "PNG")
    return data.getvalue()


def listed(given: Input) -> list[Row]:
    return list(given.rows(Counter()))


def sides(sources: list[Source]) -> list[int]:
    return [source.load().width for source in sources]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with two pictures in it."""
    monkeypatch.chdir(tmp_path)
    for side in (11, 12):
        (tmp_path / f"{side}.png").write_bytes(png(side))
    return tmp_path


def test_files_are_named_as_they_were_given_and_opened_from_anywhere(folder: Path) -> None:
    (folder / "photos").mkdir()
    (folder / "photos" / "a.png").write_bytes(png(13))
    (folder / "photos" / "b.heic").touch()
    given, left_out = open_input("photos", None), Counter[str]()
    assert given == Files("photos", folder)
    (row,) = given.rows(left_out)
    status = (folder / "photos" / "a.png").stat()
    assert row == ("photos/a.png", f"{status.st_size}-{status.st_mtime_ns}")
    assert left_out == {".heic": 1}
    os.chdir("/")
    (source,) = given.sources([row.name])
    assert (source.name, source.load().width) == ("photos/a.png", 13)


def test_a_directory_without_images_is_an_error(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(ImageError, match="no images in this directory"):
        listed(open_input("empty", None))


def test_a_word_that_leads_nowhere_is_an_error(folder: Path) -> None:
    """And no image of that name, which a whole cluster would be started for."""
    with pytest.raises(ImageError, match="No such file or directory"):
        listed(open_input("photoz", None))


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("http://example.org/a.png", "INPUT is a directory"),
        ("hdfs://host/photos", "INPUT is a directory"),
        ("list.csv", "say with --column NAME which of its columns"),
    ],
)
def test_what_is_no_input_is_refused(folder: Path, word: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        open_input(word, None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_column_of_a_csv_has_paths_from_its_folder(folder: Path, delimiter: str) -> None:
    (folder / "tables").mkdir()
    rows = [["id", "path"], ["1", "../11.png"], ["2", str(folder / "12.png")], ["3", ""], ["4", "http://[/a.png"]]
    (folder / "tables" / "list.csv").write_text("\ufeff" + "".join(f"{delimiter.join(row)}\r\n" for row in rows))
    given = open_input("tables/list.csv", "path")
    names = [row.name for row in listed(given)]
    assert names == [row[1] for row in rows[1:]]
    found = list(given.sources(names))
    assert sides(found[:2]) == [11, 12]
    with pytest.raises(ImageError, match="an empty cell"):
        found[2].load()
    with pytest.raises(UsageError, match=r"no column 'image' in its first line: id.path"):
        listed(open_input("tables/list.csv", "image"))


def test_a_column_of_parquet_has_paths(folder: Path) -> None:
    pq.write_table(pa.table({"path": ["12.png", None, "11.png"]}), folder / "list.parquet")
    given = open_input("list.parquet", "path")
    rows = listed(given)
    assert [row.name for row in rows] == ["12.png", "", "11.png"]
    assert rows[0].identity
    assert sides([next(iter(given.sources(["12.png"])))]) == [12]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_a_column_of_parquet_has_image_files_that_any_shard_can_reach(folder: Path, kind: pa.DataType) -> None:
    for name, first in (("a.parquet", 20), ("b.parquet", 30)):
        cells = [png(side) if side != 33 else None for side in range(first, first + 10)]
        pq.write_table(pa.table({"image": pa.array(cells, kind)}), folder / name, row_group_size=3)
    given = open_input(str(folder), "image")
    rows = listed(given)
    assert [row.name for row in rows] == [f"{folder}/{name}.parquet:{n}" for name in "ab" for n in range(10)]
    assert len({row.identity for row in rows}) == 2
    names = [row.name for row in rows]
    assert sides(list(given.sources(names[4:13]))) == [24, 25, 26, 27, 28, 29, 30, 31, 32]
    with pytest.raises(ImageError, match="an empty cell"):
        next(iter(given.sources(names[13:14]))).load()


# As `datasets` writes an image column: `Dataset.to_parquet`, and the hub's own conversion.
HUGGING_FACE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_a_column_of_a_hugging_face_data_set_has_image_files_or_paths(folder: Path) -> None:
    with HostileServer(sending(response(png(23), Content_Type="image/png"))) as server:
        cells = [
            {"bytes": png(21), "path": "gone.png"},
            {"bytes": png(22), "path": None},
            {"bytes": None, "path": "12.png"},
            {"bytes": None, "path": f"http://{server.url}/a.png"},
            {"bytes": None, "path": None},
            None,
        ]
        features = {"info": {"features": {"image": {"_type": "Image"}, "label": {"_type": "Value", "dtype": "int64"}}}}
        table = pa.table({"image": pa.array(cells, HUGGING_FACE), "label": range(6)})
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
        pq.write_table(table, folder / "train.parquet", row_group_size=4)
        given = open_input("train.parquet", "image")
        names = [row.name for row in listed(given)]
        assert names == [f"train.parquet:{number}" for number in range(6)]
        found = list(given.sources(names[1:]))
        assert [source.name for source in found] == names[1:]
        assert sides(found[:3]) == [22, 12, 23]
        assert sides(list(given.sources(names[:1]))) == [21]
    for empty in found[3:]:
        with pytest.raises(ImageError, match="an empty cell"):
            empty.load()


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ([("path", pa.string()), ("bytes", pa.large_binary())], True),
        ([("path", pa.string())], True),
        ([("bytes", pa.null()), ("path", pa.large_string())], True),
        ([("bytes", pa.list_(pa.uint8())), ("path", pa.string())], False),
        ([("array", pa.binary())], False),
        ([("bytes", pa.int64())], False),
    ],
)
def test_which_structs_are_images(folder: Path, fields: list[tuple[str, pa.DataType]], taken: bool) -> None:
    cell = {"path": "11.png", "bytes": None}
    pq.write_table(pa.table({"image": pa.array([cell], pa.struct(fields))}), folder / "list.parquet")
    if taken:
        given = open_input("list.parquet", "image")
        assert len(listed(given)) == 1
    else:
        with pytest.raises(UsageError, match=r"'image' holds struct<.* and not texts, binary or struct<bytes: binary,"):
            open_input("list.parquet", "image")


def test_a_column_of_categories_has_paths(folder: Path) -> None:
    """As pandas writes one."""
    pq.write_table(pa.table({"path": pa.array(["12.png", "11.png"]).dictionary_encode()}), folder / "list.parquet")
    assert [row.name for row in listed(open_input("list.parquet", "path"))] == ["12.png", "11.png"]


@pytest.mark.parametrize("order", ["le", "be"])
def test_a_csv_of_a_spreadsheet_may_be_utf_16(folder: Path, order: str) -> None:
    """Excel's "Unicode Text" has a byte order mark and tabs."""
    (folder / "größe ☃.png").write_bytes(png(19))
    text = "\ufeffid\tpath\r\n1\tgröße ☃.png\r\n2\t11.png\r\n"
    (folder / "list.csv").write_bytes(text.encode(f"utf-16-{order}"))
    given = open_input("list.csv", "path")
    names = [row.name for row in listed(given)]
    assert names == ["größe ☃.png", "11.png"]
    assert sides(list(given.sources(names))) == [19, 11]


def test_a_csv_in_another_encoding_says_what_to_do(folder: Path) -> None:
    text = "id,path\r\n1,11.png\r\n"
    for name, data in (("bare", text.encode("utf-16-le")), ("32", text.encode("utf-32"))):
        (folder / f"{name}.csv").write_bytes(data)
        with pytest.raises(UsageError, match=rf"{name}\.csv is no UTF-8 text; in a spreadsheet, save it as CSV UTF-8"):
            listed(open_input(f"{name}.csv", "path"))
    (folder / "cut.csv").write_bytes(text.encode("utf-16")[:-1])
    with pytest.raises(UsageError, match=r"cut\.csv is no UTF-16 text, as it begins: truncated data"):
        listed(open_input("cut.csv", "path"))


def test_what_a_table_lacks_is_named(folder: Path) -> None:
    pq.write_table(pa.table({"path": ["12.png"], "size": [1]}), folder / "list.parquet")
    (folder / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"list\.parquet has no column 'image'; it has path, size"):
        open_input("list.parquet", "image")
    with pytest.raises(UsageError, match="the column 'size' holds int64"):
        open_input("list.parquet", "size")
    with pytest.raises(UsageError, match=r"torn\.parquet is no parquet file"):
        open_input("torn.parquet", "image")
    with pytest.raises(UsageError, match="no table is there"):
        open_input("none.parquet", "image")
    with pytest.raises(UsageError, match="No such file or directory"):
        open_input("nowhere/none.parquet", "image")


def test_a_table_that_is_damaged_is_named(folder: Path) -> None:
    """A quotation mark that is never closed; a page of a file whose end is whole."""
    (folder / "list.csv").write_text('id,path\n1,"' + "x" * 200_000)
    with pytest.raises(UsageError, match=r"list\.csv is no csv that can be read: .*; is a quotation mark missing\?"):
        listed(open_input("list.csv", "path"))
    names = [f"{number:09}.png" for number in range(5000)]
    pq.write_table(pa.table({"path": names}), folder / "list.parquet", compression="zstd", use_dictionary=False)
    content = bytearray((folder / "list.parquet").read_bytes())
    content[4:400] = bytes(396)
    (folder / "list.parquet").write_bytes(content)
    with pytest.raises(UsageError, match=r"list\.parquet is no parquet file that can be read"):
        listed(open_input("list.parquet", "path"))
