"""Every kind of store, for the tests that hold for each of them."""

from pathlib import Path

import pytest

from tritonrepo.repository.store.address import Address, open_store
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.repository.store.seam import Store

BUCKET = pytest.param("bucket", marks=pytest.mark.live)


@pytest.fixture(params=["disk", "disk without scratch", BUCKET])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty repository."""
    if request.param == "bucket":
        return open_store(request.getfixturevalue("bucket"))
    return make_disk(tmp_path, with_scratch=request.param == "disk")


def make_disk(place: Path, *, with_scratch: bool) -> LocalStore:
    """An empty repository on a disk."""
    (place / "models").mkdir()
    if with_scratch:
        (place / "scratch").mkdir()
    return LocalStore(place / "models", place / "scratch" if with_scratch else None)


@pytest.fixture(params=["disk", BUCKET])
def place(request: pytest.FixtureRequest, models: Path) -> Path | Address:
    """Where a repository is to be; nothing is there yet."""
    found: Path | Address = request.getfixturevalue("bucket") if request.param == "bucket" else models
    return found
