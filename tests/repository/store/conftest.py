"""Every kind of store, for the tests that hold for each of them."""

from pathlib import Path

import pytest

from tritonrepo.repository.store.local import LocalStore
from tritonrepo.repository.store.seam import Store


@pytest.fixture(params=["disk", "disk without scratch"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty repository."""
    (tmp_path / "models").mkdir()
    scratch = None
    if request.param == "disk":
        scratch = tmp_path / "scratch"
        scratch.mkdir()
    return LocalStore(tmp_path / "models", scratch)
