"""What a server over an object store is asked to load, and how."""

import json
from pathlib import Path

import pytest

from tritonrepo.repository.errors import RepositoryError
from tritonrepo.repository.store.address import Address
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.serve.source import StoreSource

AZURE = Address("as", "box", "models", account="ours")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """One with a model; what lies where makes no difference to the source."""
    (tmp_path / "models/net").mkdir(parents=True)
    (tmp_path / "models/net/config.pbtxt").write_text(
        'name: "net" backend: "onnxruntime" version_policy { specific { versions: 2 } }'
    )
    return LocalStore(tmp_path / "models")


def test_a_model_in_azures_store_is_loaded_with_its_configuration(store: LocalStore) -> None:
    """Triton sees no change there otherwise, and does nothing."""
    source = StoreSource(AZURE, store)
    assert [model.translated for model in source.models()] == [True]
    config = json.loads(json.loads(source.load_request("net"))["parameters"]["config"])
    assert config["version_policy"] == {"specific": {"versions": ["2"]}}


def test_of_other_stores_triton_sees_what_has_changed(store: LocalStore) -> None:
    source = StoreSource(Address("s3", "box", "models"), store)
    assert [model.translated for model in source.models()] == [False]
    assert source.load_request("net") == b"{}"


def test_an_account_that_triton_would_read_instead_is_refused(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = StoreSource(AZURE, store)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "theirs")
    with pytest.raises(RepositoryError, match="as://ours/box/models: Triton would read the account theirs"):
        source.refuse_obstacles(polling=False)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "ours")
    source.refuse_obstacles(polling=False)
