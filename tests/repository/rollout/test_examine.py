"""A version that is not what was published is refused before a server sees it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.releases import MODEL
from tests.repository.keys import make_pair
from tests.rollout import artifacts
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.rollout.errors import ReleaseError
from tritonrepo.repository.rollout.examine import examine, expect
from tritonrepo.repository.rollout.release import choose
from tritonrepo.repository.signature import sign
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.local import LocalStore


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published") / "models"
    artifacts.publish(root, artifacts.right_one(1.0))
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "models"))


def test_what_it_has_to_answer(published: Path) -> None:
    found = examine(LocalStore(published), MODEL, 1)
    assert (found.model, found.version) == (MODEL, 1)
    assert found.labels == tuple(artifacts.right_one(1.0).right.labels)
    assert found.golden is not None
    assert found.golden.total == len(found.labels)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda version: flip(version / "model.onnx"), "the SHA-256 of model.onnx is not what was published"),
        (lambda version: flip(version / "golden.npz"), "the SHA-256 of golden.npz is not what was published"),
        (lambda version: (version / "golden.npz").unlink(), "its manifest names golden.npz, which is not there"),
        (lambda version: (version / "manifest.json").write_text("{}"), "its manifest.json is not a manifest"),
        (lambda version: (version / "manifest.json").unlink(), "it has no manifest.json"),
    ],
)
def test_what_was_changed_is_named(spoil: Callable[[Path], object], message: str, root: Path) -> None:
    spoil(root / MODEL / "1")
    with pytest.raises(ReleaseError, match=f"{MODEL}/1 is not released: {message}"):
        examine(LocalStore(root), MODEL, 1)


def test_of_an_older_version_it_is_enough_that_it_answers(root: Path) -> None:
    (root / MODEL / "1" / "manifest.json").unlink()
    found = expect(LocalStore(root), MODEL, 1)
    assert (found.manifest, found.golden) == (None, None)
    assert found.labels


def test_the_newest_staged_version_is_taken_or_else_the_served_one(root: Path) -> None:
    store = LocalStore(root)
    assert choose(read_state(store, MODEL), None) == 1
    for number in (2, 3):
        assert artifacts.stage(root, artifacts.right_one(float(number))) == number
    assert choose(read_state(store, MODEL), None) == 3
    assert choose(read_state(store, MODEL), 2) == 2
    with pytest.raises(UsageError, match="has no version 4 that an export made; it has 1, 2, 3"):
        choose(read_state(store, MODEL), 4)
    with pytest.raises(UsageError, match="has no version; export one with --stage"):
        choose(read_state(store, "absent"), None)


def test_a_version_has_to_be_signed_if_a_key_is_given(root: Path, tmp_path: Path) -> None:
    store, pair = LocalStore(root), make_pair(tmp_path, "key")
    with pytest.raises(ReleaseError, match=f"{MODEL}/1 is not released: {MODEL}, version 1: has no signature"):
        examine(store, MODEL, 1, pair.public)
    sign(store, MODEL, 1, pair.private)
    assert examine(store, MODEL, 1, pair.public).golden is not None
    flip(root / MODEL / "1" / "labels.txt")
    with pytest.raises(ReleaseError, match=r"labels\.txt: is not as it was signed"):
        examine(store, MODEL, 1, pair.public)
