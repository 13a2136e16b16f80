"""What a server may have of a model that belongs to this repository; tests/rollout has servers of another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict

from tests.live.releases import FIRST, MODEL, OTHERS
from tests.rollout import artifacts
from tests.rollout.artifacts import Version
from tritonrepo.repository.layout import parse_config
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.rollout.errors import ServerError
from tritonrepo.repository.rollout.servers import Loaded
from tritonrepo.repository.rollout.strangers import refuse_stranger
from tritonrepo.repository.state import own_configuration, read_state
from tritonrepo.repository.store.local import LocalStore

OTHER = OTHERS["mean"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two versions whose preprocessing differs; the second is served."""
    for release in (FIRST, OTHER):
        artifacts.publish(tmp_path / "models", Version(release, release))
    return tmp_path / "models"


def loaded(root: Path, version: int, under: int | None = None) -> Loaded:
    """As a server says it that has a version, under the configuration of that one or of another."""
    store = LocalStore(root)
    config = parse_config(own_configuration(store, read_state(store, MODEL), under or version), MODEL)
    return Loaded((version,), MessageToDict(config, preserving_proto_field_name=True))


def refuse(root: Path, had: Loaded) -> None:
    refuse_stranger(LocalStore(root), read_state(LocalStore(root), MODEL), had)


@pytest.mark.parametrize("version", [1, 2])
def test_one_that_has_what_we_published_is_ours(root: Path, version: int) -> None:
    refuse(root, loaded(root, version))
    with pytest.raises(ServerError, match=f"has another version {version} of it than .*: its preprocessing parameter"):
        refuse(root, loaded(root, version, 3 - version))


def test_of_one_that_has_nothing_or_what_is_pruned_nothing_is_known(root: Path) -> None:
    refuse(root, Loaded())
    had = loaded(root, 1, 2)
    with open_repository(root) as repository:
        assert repository.prune(MODEL, 1) == ((1,), ())
    refuse(root, had)


def test_a_number_that_was_never_given_is_somebody_elses(root: Path) -> None:
    with pytest.raises(ServerError, match=r"has version 3 of net_onnx, and .*/net_onnx never had more than 2"):
        refuse(root, loaded(root, 3, 2))
    assert artifacts.stage(root, artifacts.right_one(3.0)) == 3
    refuse(root, loaded(root, 3))


def test_a_record_that_was_edited_by_hand_is_ours_before_and_after(root: Path) -> None:
    before = loaded(root, 2)
    record = root / MODEL / "config.pbtxt"
    record.write_text(record.read_text().replace('\\"resize\\":', '\\"resize\\": '))
    edited = MessageToDict(parse_config(record.read_text(), MODEL), preserving_proto_field_name=True)
    assert edited["parameters"] != before.config["parameters"]
    refuse(root, before)
    refuse(root, Loaded((2,), edited))


def test_a_version_of_an_earlier_release_has_no_configuration_to_be_told_by(root: Path) -> None:
    """The record speaks for the version that is served; the one before was served by another."""
    (root / MODEL / "1" / "config.pbtxt").unlink()
    refuse(root, Loaded((1,), {"parameters": {"preprocessing": {"string_value": "another"}}}))
