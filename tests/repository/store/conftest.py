"""Every kind of store, for the tests that hold for each of them."""

from pathlib import Path

import obstore
import pytest

from tests.conftest import CLOUDS
from tritonrepo.repository.store.access import connect
from tritonrepo.repository.store.address import Address, open_store
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.repository.store.seam import Store

CLOUD = [pytest.param(kind, marks=pytest.mark.live) for kind in CLOUDS]


@pytest.fixture(params=["disk", "disk without scratch", *CLOUD])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty repository."""
    if request.param in CLOUDS:
        return open_store(request.getfixturevalue(CLOUDS[request.param]))
    return make_disk(tmp_path, with_scratch=request.param == "disk")


def make_disk(place: Path, *, with_scratch: bool) -> LocalStore:
    """An empty repository on a disk."""
    (place / "models").mkdir()
    if with_scratch:
        (place / "scratch").mkdir()
    return LocalStore(place / "models", place / "scratch" if with_scratch else None)


@pytest.fixture(params=["disk", *CLOUD])
def place(request: pytest.FixtureRequest, models: Path) -> Path | Address:
    """Where a repository is to be; nothing is there yet."""
    found: Path | Address = request.getfixturevalue(CLOUDS[request.param]) if request.param in CLOUDS else models
    return found


@pytest.fixture(params=CLOUD)
def cloud(request: pytest.FixtureRequest) -> Address:
    """A place in a new bucket, of each kind of object store."""
    found: Address = request.getfixturevalue(CLOUDS[request.param])
    return found


def plant(cloud: Address, name: str, content: bytes) -> None:
    """Write an object as others would."""
    obstore.put(connect(cloud, 10), name, content)
