"""Withdrawing versions: of all models that are named, or of none."""

from pathlib import Path

import pytest

from tests.repository.faults import edit_config
from tests.repository.releases import FIRST, NAME, SECOND, candidate, contents, largest_batch, release, served
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import version_numbers
from tritonrepo.repository.publish import find_models, open_repository

OTHER = "net_torchscript"


def test_rollback_restores_the_version_with_its_configuration(models: Path) -> None:
    release(models, b"one", FIRST)
    release(models, b"two", SECOND)
    with open_repository(models) as repository:
        assert repository.roll_back([NAME]) == {NAME: 1}
        assert (served(models), largest_batch(models)) == ([1], 1)
        with pytest.raises(PublishError, match="needs an older one"):
            repository.roll_back([NAME])


def test_rollback_leaves_versions_that_are_not_ours(models: Path) -> None:
    release(models, b"one")
    (models / NAME / "2").mkdir()
    with open_repository(models) as repository, pytest.raises(PublishError, match="needs an older one"):
        repository.roll_back([NAME])
    edit_config(models, "specific {\n    versions: 1\n  }", "specific { versions: 2 }", NAME)
    with open_repository(models) as repository, pytest.raises(PublishError, match="not ours to withdraw"):
        repository.roll_back([NAME])
    assert version_numbers(models / NAME) == [1, 2]


def release_both(models: Path, content: bytes) -> None:
    with open_repository(models) as repository:
        both = [candidate(repository, content, FIRST if content == b"one" else SECOND, name) for name in (NAME, OTHER)]
        repository.publish(both, keep=2)


def test_several_models_go_back_together(models: Path) -> None:
    release_both(models, b"one")
    before = contents(models)
    release_both(models, b"two")
    with open_repository(models) as repository:
        assert repository.roll_back([NAME, OTHER]) == {NAME: 1, OTHER: 1}
    after = contents(models)
    for name in (NAME, OTHER):
        assert (served(models, name), largest_batch(models, name)) == ([1], 1)
        del before[f"{name}/config.pbtxt"]
    assert before.items() <= after.items()


def test_the_number_of_a_withdrawn_version_is_not_given_again(models: Path) -> None:
    """A client that knew the withdrawn version would take the next one for it."""
    for content in (b"one", b"two", b"three"):
        release(models, content, keep=9)
    with open_repository(models) as repository:
        assert repository.roll_back([NAME]) == {NAME: 2}
        assert repository.roll_back([NAME]) == {NAME: 1}
    assert release(models, b"two").version == 4
    assert served(models) == [4]
    assert version_numbers(models / NAME) == [1, 4]


def test_if_one_model_cannot_go_back_none_does(models: Path) -> None:
    release_both(models, b"one")
    release(models, b"two")
    before = contents(models)
    with open_repository(models) as repository, pytest.raises(PublishError, match="net_torchscript: holds 1 version"):
        repository.roll_back([NAME, OTHER])
    assert contents(models) == before


def test_a_model_without_its_format_is_all_its_formats(models: Path) -> None:
    release_both(models, b"one")
    with open_repository(models) as repository:
        assert sorted(find_models(repository.store, "net")) == [NAME, OTHER]
        assert find_models(repository.store, NAME) == [NAME]
    (models / "net").mkdir()
    with open_repository(models) as repository:
        assert find_models(repository.store, "net") == ["net"]


@pytest.mark.parametrize("name", ["", ".", "..", "../models", "/net", "ne", "net_", "net_onnx_fp16"])
def test_what_names_no_model_is_refused(models: Path, name: str) -> None:
    release_both(models, b"one")
    with open_repository(models) as repository, pytest.raises(UsageError, match="no such model"):
        find_models(repository.store, name)
