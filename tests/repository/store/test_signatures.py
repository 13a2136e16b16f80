"""Signatures in every kind of store."""

from pathlib import Path

import pytest

from tests.repository.keys import make_pair, release_signed
from tests.repository.releases import NAME
from tritonrepo.repository.catalogue import list_versions
from tritonrepo.repository.errors import SignatureError
from tritonrepo.repository.signature import check, sign
from tritonrepo.repository.signatures import refusals
from tritonrepo.repository.store.address import Address, open_store
from tritonrepo.repository.store.bucket import Bucket


def change(place: Path | Address, name: str, content: bytes, scratch: Path) -> None:
    if isinstance(place, Address):
        file = scratch / "file"
        file.write_bytes(content)
        Bucket(place, 10).send(file, name)
    else:
        (place / name).write_bytes(content)


def test_signed_and_tampered_with(place: Path | Address, tmp_path: Path) -> None:
    pair, other = make_pair(tmp_path, "key"), make_pair(tmp_path, "other")
    assert release_signed(place, pair) == 1
    store = open_store(place)
    check(store, NAME, 1, pair.public)
    assert [version.signed for version in list_versions(store, [NAME])] == [True]
    assert refusals(store, [NAME], pair.public) == {}
    sign(store, NAME, 1, other.private)
    assert "another key" in refusals(store, [NAME], pair.public)[f"{NAME}/1"]
    check(store, NAME, 1, other.public)
    with pytest.raises(SignatureError, match="is not there"):
        check(store, NAME, 7, pair.public)
    change(place, f"{NAME}/1/model.onnx", b"two", tmp_path)
    with pytest.raises(SignatureError, match=r"model\.onnx: is not as it was signed"):
        check(store, NAME, 1, other.public)
    change(place, f"{NAME}/1/model.onnx", b"one", tmp_path)
    change(place, f"{NAME}/1/model.py", b"", tmp_path)
    with pytest.raises(SignatureError, match=r"model\.py: was not there when it was signed"):
        check(store, NAME, 1, other.public)
