"""What holds for every store: versions are written whole and once, and the record is replaced if nobody else did."""

import subprocess
import sys
from pathlib import Path

import pytest

from tritonrepo.repository.digest import sha256
from tritonrepo.repository.store.seam import BusyError, ConflictError, Store

MODEL = "net_onnx"
TEXT = f'name: "{MODEL}" version_policy {{ specific {{ versions: 1 }} }}'
OTHER = TEXT.replace("versions: 1", "versions: 2")


def files(tmp_path: Path, content: bytes) -> Path:
    """A version to be added."""
    source = tmp_path / f"source {content!r}"
    (source / "lib").mkdir(parents=True)
    (source / "model.onnx").write_bytes(content)
    (source / "lib/code.py").write_bytes(b"pass\n")
    (source / "manifest.json").write_text("{}")
    return source


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    """One model with one version."""
    store.create(MODEL, 1, files(tmp_path, b"one"), TEXT)
    return store


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert (store.models(), store.versions(MODEL), store.record(MODEL), store.files(MODEL, 1)) == ([], [], None, {})
    assert (store.read(f"{MODEL}/config.pbtxt"), store.checksum(f"{MODEL}/1/model.onnx")) == (None, None)


def test_a_model_is_created_with_its_first_version(filled: Store, tmp_path: Path) -> None:
    record = filled.record(MODEL)
    assert record is not None
    assert record.text == TEXT
    assert (filled.models(), filled.versions(MODEL)) == ([MODEL], [1])
    assert filled.files(MODEL, 1) == {"lib/code.py": 5, "manifest.json": 2, "model.onnx": 3}
    assert filled.read(f"{MODEL}/1/lib/code.py") == b"pass\n"
    filled.fetch(f"{MODEL}/1/model.onnx", tmp_path / "below/fetched")
    assert (tmp_path / "below/fetched").read_bytes() == b"one"
    assert filled.checksum(f"{MODEL}/1/model.onnx") == sha256(tmp_path / "below/fetched")


def test_what_is_there_is_not_created_again(filled: Store, tmp_path: Path) -> None:
    with pytest.raises(ConflictError):
        filled.create(MODEL, 1, files(tmp_path, b"two"), OTHER)
    with pytest.raises(ConflictError):
        filled.create(MODEL, 2, files(tmp_path, b"three"), OTHER)
    assert filled.read(f"{MODEL}/1/model.onnx") == b"one"
    record = filled.record(MODEL)
    assert record is not None
    assert record.text == TEXT


def test_a_version_is_written_once(filled: Store, tmp_path: Path) -> None:
    filled.add_version(MODEL, 2, files(tmp_path, b"two"))
    with pytest.raises(ConflictError):
        filled.add_version(MODEL, 2, files(tmp_path, b"three"))
    assert filled.versions(MODEL) == [1, 2]
    assert filled.read(f"{MODEL}/2/model.onnx") == b"two"


def test_of_two_writers_one_is_told(filled: Store) -> None:
    before = filled.record(MODEL)
    after = filled.commit(MODEL, OTHER, before)
    assert filled.record(MODEL) == after
    for stale in (before, None):
        with pytest.raises(ConflictError):
            filled.commit(MODEL, TEXT, stale)
    assert filled.record(MODEL) == after
    assert filled.commit(MODEL, TEXT, after).text == TEXT


def test_the_first_record_too_is_committed_once(store: Store) -> None:
    store.commit(MODEL, TEXT, None)
    with pytest.raises(ConflictError):
        store.commit(MODEL, OTHER, None)
    assert store.models() == [MODEL]


def test_a_record_that_is_gone_is_not_replaced(store: Store, filled: Store) -> None:
    before = filled.record(MODEL)
    filled.remove_model(MODEL)
    with pytest.raises(ConflictError):
        store.commit(MODEL, OTHER, before)


def test_versions_and_models_are_removed(filled: Store, tmp_path: Path) -> None:
    filled.add_version(MODEL, 2, files(tmp_path, b"two"))
    filled.remove_version(MODEL, 1)
    assert (filled.versions(MODEL), filled.files(MODEL, 1)) == ([2], {})
    filled.remove_model(MODEL)
    assert (filled.models(), filled.record(MODEL)) == ([], None)


def test_a_model_is_held_by_one_and_may_be_published(filled: Store) -> None:
    before = filled.models(), filled.files(MODEL, 1)
    with filled.hold(MODEL):
        with pytest.raises(BusyError, match=f"{MODEL}: another release or rollback of it is under way"):
            filled.hold(MODEL).__enter__()
        filled.commit(MODEL, OTHER, filled.record(MODEL))
    with filled.hold(MODEL):
        assert (filled.models(), filled.files(MODEL, 1)) == before


HOLDER = """
import sys
from pathlib import Path
from tritonrepo.repository.store.address import is_address, open_store, read_address

place, model = sys.argv[1:]
with open_store(read_address(place) if is_address(place) else Path(place)).hold(model):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_who_was_killed_holds_a_model_no_more(filled: Store) -> None:
    words = [sys.executable, "-c", HOLDER, filled.address, MODEL]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BusyError):
            filled.hold(MODEL).__enter__()
        holder.kill()
    with filled.hold(MODEL):
        pass
