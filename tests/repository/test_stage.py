"""Versions that are added without being served, and what makes them, or older ones, the version that is served."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.repository.releases import FIRST, NAME, SECOND, candidate, contents, largest_batch, release, served
from tests.repository.test_encoded import NAMES, pinned
from tests.repository.test_encoded import publish as publish_encoded
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import version_numbers
from tritonrepo.repository.publish import Publication, open_repository
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.repository.store.seam import ConflictError
from tritonrepo.serve.models import read_model


def stage(models: Path, content: bytes, config: str = FIRST) -> Publication:
    with open_repository(models) as repository:
        (done,) = repository.stage([candidate(repository, content, config)])
    return done


def switch(models: Path, version: int, *, overlap: bool = False) -> None:
    with open_repository(models) as repository:
        repository.switch(NAME, version, overlap=overlap)


def test_a_staged_version_is_whole_and_not_served(models: Path) -> None:
    release(models, b"one")
    record = (models / NAME / "config.pbtxt").read_bytes()
    assert stage(models, b"two", SECOND) == Publication(2, "staged")
    assert (models / NAME / "config.pbtxt").read_bytes() == record
    assert sorted(path.name for path in (models / NAME / "2").iterdir()) == [
        "config.pbtxt", "labels.txt", "manifest.json", "model.onnx"
    ]  # fmt: skip
    switch(models, 2)
    assert (served(models), largest_batch(models)) == ([2], 2)
    with open_repository(models) as repository:
        assert repository.roll_back([NAME]) == {NAME: 1}


def test_the_same_is_staged_once(models: Path) -> None:
    release(models, b"one")
    assert stage(models, b"one") == Publication(1, "unchanged")
    assert stage(models, b"two") == stage(models, b"two") == Publication(2, "staged")
    assert stage(models, b"two", SECOND).version == 3
    assert version_numbers(models / NAME) == [1, 2, 3]


def test_the_first_version_of_a_model_can_be_staged(models: Path) -> None:
    assert stage(models, b"one") == Publication(1, "staged")
    assert served(models) == []
    assert "no version of it was released yet; tritonrepo release net_onnx" in read_model(models / NAME).left_out
    findings = {finding.text: finding.level for finding in examine_repository(models, "26.11")}
    assert findings["has no version that was released"] == "note"
    assert stage(models, b"two").version == 2
    switch(models, 1)
    assert served(models) == [1]
    assert read_state(LocalStore(models), NAME).staged == (2,)
    with open_repository(models) as repository, pytest.raises(PublishError, match=r"holds 1 version\(s\)"):
        repository.roll_back([NAME])


def test_the_number_of_a_staged_version_is_taken(models: Path) -> None:
    release(models, b"one")
    stage(models, b"two")
    assert release(models, b"three").version == 3
    assert read_state(LocalStore(models), NAME).released == (1, 3)


def test_a_rollback_never_serves_what_was_never_served(models: Path) -> None:
    release(models, b"one")
    stage(models, b"bad")
    with open_repository(models) as repository:
        repository.publish([candidate(repository, b"three")], keep=9)
        assert repository.roll_back([NAME]) == {NAME: 1}


def test_a_withdrawn_version_is_no_staged_one_and_can_be_served_again(models: Path) -> None:
    release(models, b"one")
    release(models, b"two", SECOND)
    with open_repository(models) as repository:
        repository.roll_back([NAME])
    found = read_state(LocalStore(models), NAME)
    assert (found.staged, found.released, found.highest) == ((), (1,), 2)
    switch(models, 2)
    assert (served(models), largest_batch(models)) == ([2], 2)
    assert read_state(LocalStore(models), NAME).released == (1, 2)


def test_pruning_takes_what_nothing_refers_to(models: Path) -> None:
    """Two are kept to go back to; what was withdrawn or passed over goes, what is staged after it stays."""
    release(models, b"one")
    release(models, b"two")
    with open_repository(models) as repository:
        repository.roll_back([NAME])
    stage(models, b"three")
    assert release(models, b"four").pruned == (2, 3)
    stage(models, b"five")
    stage(models, b"six")
    switch(models, 5)
    assert version_numbers(models / NAME) == [1, 4, 5, 6]
    assert release(models, b"seven").pruned == (1, 4, 6)


def test_what_is_pruned_after_a_switch_leaves_the_record_with_the_next(models: Path) -> None:
    """A release moves the record first, and prunes when it is done: if it is undone, nothing is lost."""
    release(models, b"one")
    release(models, b"two")
    for number, content in ((3, b"three"), (4, b"four")):
        stage(models, content)
        switch(models, number)
        assert read_state(LocalStore(models), NAME).released == (number - 2, number - 1, number)
        with open_repository(models) as repository:
            assert repository.prune(NAME, keep=2) == ((number - 2,), ())
    with open_repository(models) as repository:
        assert repository.roll_back([NAME]) == {NAME: 3}
        with pytest.raises(PublishError, match=r"a rollback needs an older one"):
            repository.roll_back([NAME])


def test_pruning_leaves_what_a_server_has_loaded(models: Path) -> None:
    for content in (b"one", b"two"):
        release(models, content)
    with open_repository(models) as repository:
        repository._in_use = lambda model: {NAME: [1]}[model]
        (done,) = repository.publish([candidate(repository, b"three")], keep=1)
    assert done.pruned == (2,)
    assert version_numbers(models / NAME) == [1, 3]


@pytest.mark.parametrize("version", [0, 3, 7])
def test_what_is_not_there_or_not_ours_is_not_served(models: Path, version: int) -> None:
    release(models, b"one")
    (models / NAME / "7").mkdir()
    before = contents(models)
    with pytest.raises(UsageError, match=f"has no version {version} that was published"):
        switch(models, version)
    assert contents(models) == before


def test_overlap_keeps_the_version_before_beside_the_new_one(models: Path) -> None:
    release(models, b"one")
    with open_repository(models) as repository:
        repository.publish([candidate(repository, b"two")], 1, overlap=True)
        assert served(models) == [1, 2]
        assert version_numbers(models / NAME) == [1, 2], "a version that is served was pruned"
        repository.publish([candidate(repository, b"three")], 1, overlap=True)
        assert served(models) == [2, 3]
        assert repository.roll_back([NAME]) == {NAME: 2}
        assert served(models) == [2]
        repository.publish([candidate(repository, b"four")], 1)
    assert served(models) == [4]
    assert version_numbers(models / NAME) == [4]


def test_a_switch_leaves_what_somebody_else_has_committed_meanwhile(models: Path) -> None:
    """As an export that was under way when a release looked, and held the repository until it was done."""
    release(models, b"one")
    stage(models, b"two")
    looked = read_state(LocalStore(models), NAME).record
    stage(models, b"three")
    switch(models, 3)
    with open_repository(models) as repository:
        with pytest.raises(ConflictError, match="its record was changed by somebody else meanwhile"):
            repository.switch(NAME, 2, expected=looked)
        assert served(models) == [3]
        repository.switch(NAME, 2, expected=read_state(LocalStore(models), NAME).record)
    assert served(models) == [2]


def test_overlap_of_a_switch(models: Path) -> None:
    release(models, b"one")
    stage(models, b"two")
    switch(models, 2, overlap=True)
    assert served(models) == [1, 2]
    with pytest.raises(PublishError, match="version 2 would go on answering beside 1"):
        switch(models, 1, overlap=True)


def test_versions_of_two_contracts_cannot_overlap(models: Path) -> None:
    """Triton has one configuration for all versions, and would name the classes of one by the labels of the other."""
    release(models, b"one")
    before = contents(models)
    with open_repository(models) as repository:
        other = replace(candidate(repository, b"two"), labels=("a", "c"))
        with pytest.raises(PublishError, match=r"2 cannot be loaded beside 1.*differ: labels: 1 of 2 .* leave --over"):
            repository.publish([other], 2, overlap=True)
        assert contents(models) == before
        (done,) = repository.publish([other], 2)
    assert done.changes == ("labels: 1 of 2 differ, first class 1: 'b' -> 'c'",)


def test_an_ensemble_follows_when_a_staged_version_is_served(models: Path) -> None:
    publish_encoded(models, b"one", 36)
    publish_encoded(models, b"two", 48, keep=9)
    switch(models, 1)
    assert pinned(models)["net_onnx"] == 1
    switch(models, 2)
    assert pinned(models)["net_onnx"] == 2
    assert all(len(served(models, name)) == 1 for name in NAMES)


def test_a_version_that_an_ensemble_names_is_not_pruned(models: Path) -> None:
    """Somebody's own, which no release lets follow."""
    release(models, b"one")
    (models / "mine/1").mkdir(parents=True)
    steps = "".join(f'step {{ model_name: "{name}" model_version: 1 }}' for name in (NAME, "other"))
    (models / "mine/config.pbtxt").write_text(f'platform: "ensemble" ensemble_scheduling {{ {steps} }}')
    (models / "broken").mkdir()
    (models / "broken/config.pbtxt").write_text(f'what "{NAME}"')
    for content in (b"two", b"three"):
        release(models, content, keep=1)
    assert version_numbers(models / NAME) == [1, 3]
