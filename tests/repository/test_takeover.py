"""What the exchange of directories wrote is read, and taken over by the next publication, rollback or switch."""

from pathlib import Path

import pytest

from tests.repository import exchange
from tests.repository.releases import NAME, candidate, contents, largest_batch, release, served
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import read_config, version_numbers
from tritonrepo.repository.publish import Publication, Repository, open_repository
from tritonrepo.repository.state import State, read_state
from tritonrepo.repository.store.local import LocalStore


def state(models: Path) -> State:
    return read_state(LocalStore(models), NAME)


def label_file(models: Path) -> str:
    return str(read_config(models / NAME).output[0].label_filename)


def test_it_is_read_as_it_was_meant(models: Path) -> None:
    exchange.write(models, [2, 3], withdrawn=5)
    found = state(models)
    assert (found.current, found.served, found.released, found.before) == (3, (3,), (2, 3), 2)
    assert (found.highest, found.following, found.staged, found.pinned) == (5, 6, (), False)


def test_the_next_publication_takes_it_over(models: Path) -> None:
    exchange.write(models, [2, 3], withdrawn=5)
    assert release(models, b"new").version == 6
    assert served(models) == [6]
    assert version_numbers(models / NAME) == [3, 6]
    found = state(models)
    assert (found.released, found.highest, found.pinned) == ((3, 6), 6, True)


class Watched(LocalStore):
    """Notes what is served, and by which labels, whenever a version has arrived."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.seen: list[tuple[list[int], str]] = []

    def add_version(self, model: str, version: int, source: Path) -> None:
        super().add_version(model, version, source)
        config = read_config(self._root / model)
        self.seen.append(([*config.version_policy.specific.versions], str(config.output[0].label_filename)))


def test_a_polling_server_never_takes_the_new_version_by_the_old_configuration(models: Path) -> None:
    """The policy `latest` would serve what arrives; so the version before is named by its number first."""
    exchange.write(models, [2, 3])
    with open_repository(models) as ours:
        store = Watched(models)
        repository = Repository(store, ours._staging)
        repository.publish([candidate(repository, b"new", exchange.configuration(9))], keep=2)
    assert store.seen == [([3], "labels.txt")]
    assert (served(models), largest_batch(models), label_file(models)) == ([4], 9, "4/labels.txt")


def test_the_same_again_changes_nothing(models: Path) -> None:
    exchange.write(models, [2, 3])
    before = contents(models)
    with open_repository(models) as repository:
        one = candidate(repository, b"3", exchange.configuration(3))
        same = type(one)(one.name, one.artifact, one.config, ("a 3", "b 3"), one.manifest)
        assert repository.publish([same], keep=2) == [Publication(3, "unchanged")]
    assert contents(models) == before


def test_a_rollback_takes_it_over(models: Path) -> None:
    exchange.write(models, [2, 3], withdrawn=5)
    with open_repository(models) as repository:
        assert repository.roll_back([NAME]) == {NAME: 2}
        assert (served(models), largest_batch(models), label_file(models)) == ([2], 2, "2/labels.txt")
        with pytest.raises(PublishError, match="needs an older one"):
            repository.roll_back([NAME])
    assert release(models, b"new").version == 6


def test_versions_without_their_own_files_keep_what_lies_beside_them(models: Path) -> None:
    exchange.write(models, [2, 3], with_own=False)
    with open_repository(models) as repository:
        repository.roll_back([NAME])
    assert (served(models), largest_batch(models), label_file(models)) == ([2], 3, "labels.txt")
    assert release(models, b"new").version == 4


def test_staging_takes_it_over_and_serves_what_was_served(models: Path) -> None:
    exchange.write(models, [2, 3])
    with open_repository(models) as repository:
        (done,) = repository.stage([candidate(repository, b"new")])
        assert (done.version, done.status) == (4, "staged")
        assert (served(models), largest_batch(models), label_file(models)) == ([3], 3, "labels.txt")
        repository.switch(NAME, 4)
    assert (served(models), largest_batch(models)) == ([4], 1)


@pytest.mark.parametrize(("policy", "kept"), [("all { }", [2, 3, 5]), ("latest { num_versions: 2 }", [3, 5])])
def test_what_somebody_had_served_beside_stays_served_until_the_commit(
    models: Path, policy: str, kept: list[int]
) -> None:
    exchange.write(models, [2, 3, 5])
    path = models / NAME / "config.pbtxt"
    path.write_text(path.read_text().replace("latest { num_versions: 1 }", policy))
    with open_repository(models) as repository:
        repository.stage([candidate(repository, b"new")])
    assert served(models) == kept


@pytest.mark.parametrize("text", ["many", "", "-3", "9" * 30])
def test_a_number_that_cannot_be_read_is_none(models: Path, text: str) -> None:
    exchange.write(models, [2, 3])
    (models / NAME / "withdrawn.txt").write_text(text)
    if len(text) == 30:
        with pytest.raises(PublishError, match="cannot count further"):
            release(models, b"new")
    else:
        assert release(models, b"new").version == 4


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version_policy", "version_police", "does not parse"),
        ('string_value: "1"', 'string_value: "one"', "holds 'one', and no version numbers"),
    ],
)
def test_a_record_that_cannot_be_read_is_mended_by_its_owner(models: Path, old: str, new: str, words: str) -> None:
    """It alone has the highest number, so it is not written over."""
    release(models, b"one")
    path = models / NAME / "config.pbtxt"
    path.write_text(path.read_text().replace(old, new))
    before = contents(models)
    with pytest.raises(PublishError, match=rf"{words}.*; mend it, or move it away"):
        release(models, b"two")
    assert contents(models) == before
