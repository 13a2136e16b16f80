"""Object stores: output in one PUT, images by their addresses, and tables, in each kind of store."""

from __future__ import annotations

import io
import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.batch import stores
from tests.conftest import CLOUDS
from tests.objectstore import refusing
from tritonrepo.batch.buckets import Prefix, open_store
from tritonrepo.batch.inputs import open_image_of, open_input
from tritonrepo.batch.outages import Outages
from tritonrepo.batch.places import open_place
from tritonrepo.client.errors import ImageError, MissingError, UsageError


def png(side: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (side, 10)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def s3_store() -> Iterator[stores.TestStore]:
    with stores.serving() as found:
        yield found


@pytest.fixture(params=CLOUDS)
def store(request: pytest.FixtureRequest) -> stores.TestStore:
    """A bucket, for each kind of object store."""
    if request.param == "s3":
        found: stores.TestStore = request.getfixturevalue("s3_store")
        return found
    return stores.store_at(request.getfixturevalue(CLOUDS[request.param]))


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in stores.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    open_store.cache_clear()
    yield
    open_store.cache_clear()


def test_what_is_written_is_there(store: stores.TestStore, tmp_path: Path) -> None:
    place = pickle.loads(pickle.dumps(open_place(f"{store.url}/out/")))
    assert str(place) == f"{store.url}/out"
    assert place.names() == []
    assert place.read("a") is None
    (tmp_path / "file").write_bytes(bytes(6 << 20))  # in two parts
    place.write("a", b"one")
    place.write("a", b"another")
    place.write(".hidden", b"")
    place.write("b", tmp_path / "file")
    assert store.listed() == ["out/.hidden", "out/a", "out/b"]
    assert (place.names(), place.read("a"), store.get("out/b")) == (["a", "b"], b"another", bytes(6 << 20))
    place.remove(["a", "b", "c"])
    place.remove([])
    assert place.names() == []


def test_parts_of_an_object_can_be_read(store: stores.TestStore) -> None:
    data = bytes(range(256)) * 20_000  # several ranges
    store.put("parts/x", data)
    with open_place(f"{store.url}/parts").open("x") as file:
        assert file.seek(-10, io.SEEK_END) == len(data) - 10
        assert file.read() == data[-10:]
        file.seek(1000)
        assert file.read(2 << 20) == data[1000 : 1000 + (2 << 20)]


def test_the_images_below_a_prefix_are_listed_and_fetched(store: stores.TestStore) -> None:
    for key in ("deep/b.png", "a.PNG", ".thumbs/a.png", "notes.txt", "raw.dng"):
        store.put(f"photos/{key}", png(21))
    store.put("photosets/x.png", png(22))
    given, left_out = open_input(f"{store.url}/photos/", None), Counter[str]()
    rows = list(given.rows(left_out))
    assert [row.name for row in rows] == [f"{store.url}/photos/a.PNG", f"{store.url}/photos/deep/b.png"]
    assert left_out == {".dng": 1}
    assert [source.load().width for source in given.sources([row.name for row in rows])] == [21, 21]
    store.put("photos/a.PNG", png(23))
    assert next(iter(given.rows(left_out))).identity != rows[0].identity
    there, gone = given.sources([f"{store.url}/photos/{name}.png" for name in ("deep/b", "gone")])
    assert there.read() == png(21), "a model that takes files as they are gets the object"
    for use in (gone.load, gone.read):
        with pytest.raises(ImageError, match="no such object"):
            use()


def test_tables_may_lie_in_a_store_and_lead_there(store: stores.TestStore) -> None:
    address = store.put("lists/photos/x.png", png(31))
    store.put("lists/list.csv", f"image\n{address}\n".encode())
    given = open_input(f"{store.url}/lists/list.csv", "image")
    assert [source.load().width for source in given.sources([row.name for row in given.rows(Counter())])] == [31]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"image": [png(side) for side in (32, 33, 34)]}), sink, row_group_size=1)
    store.put("lists/kept.parquet", bytes(sink.getvalue()))
    given = open_input(f"{store.url}/lists/kept.parquet", "image")
    names = [row.name for row in given.rows(Counter())]
    assert names == [f"{store.url}/lists/kept.parquet:{number}" for number in range(3)]
    assert [source.load().width for source in given.sources(names[1:])] == [33, 34]


def test_a_store_that_does_not_answer_is_named(store: stores.TestStore) -> None:
    place = open_place(f"{store.url.rpartition('/')[0]}/nowhere")
    with pytest.raises(MissingError, match="nowhere: "):
        place.names()
    with pytest.raises(MissingError, match="nowhere: "):
        place.write("a", b"")


@pytest.mark.parametrize("url", ["s3://key:SECRET@bucket/x", "hdfs://host/SECRET", "s3://"])
def test_an_address_that_makes_no_sense_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UsageError, match=r"address|object store") as refusal:
        Prefix.of(url)
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("AccessDenied", ImageError, "the store does not give this object"),
        ("InvalidObjectState", ImageError, "the store does not give this object"),
        ("ExpiredToken", MissingError, "access is refused"),
    ],
)
def test_one_closed_object_is_an_error_among_the_rows_and_lost_credentials_end_the_run(
    code: str, error: type[Exception], words: str
) -> None:
    with refusing(code) as server, pytest.raises(error, match=words):
        open_image_of(f"s3://{server}/bucket/a.png", Path(), Outages(1)).load()


def test_a_store_that_is_gone_ends_the_run() -> None:
    """As rows without a result its images would never be tried again."""
    with pytest.raises(MissingError, match=r"nobody answers at http://127\.0\.0\.1:9"):
        open_image_of("s3://127.0.0.1:9/bucket/a.png", Path(), Outages(1)).load()
