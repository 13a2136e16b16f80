"""Several models go live together, or all is as it was; and two writers at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.repository import exchange
from tests.repository.releases import NAME, candidate, contents, release, served
from tritonrepo.client.errors import MissingError
from tritonrepo.repository.layout import version_numbers
from tritonrepo.repository.publish import Repository, open_repository
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.repository.store.seam import ConflictError, Record

NEW, LAST = "a_onnx", "z_onnx"


class Refusing(LocalStore):
    """A disk on which the record of one model cannot be written."""

    def __init__(self, root: Path, scratch: Path, model: str, error: BaseException) -> None:
        super().__init__(root, scratch)
        self._model, self._error = model, error

    def commit(self, model: str, text: str, expected: Record | None) -> Record:
        if model == self._model:
            raise self._error
        return super().commit(model, text, expected)


@contextmanager
def refusing(models: Path, error: BaseException) -> Iterator[Repository]:
    with open_repository(models) as ours:
        store = Refusing(models, ours.workspace("scratch"), LAST, error)
        yield Repository(store, ours._staging)


def publish(repository: Repository, *names: str) -> None:
    repository.publish([candidate(repository, b"new", name=name) for name in names], keep=2)


@pytest.fixture
def filled(models: Path) -> Path:
    """A model that comes first and one that comes last."""
    with open_repository(models) as repository:
        for content in (b"one", b"two"):
            repository.publish([candidate(repository, content, name=name) for name in (NAME, LAST)], keep=2)
    return models


def test_if_one_record_cannot_be_written_all_is_as_it_was(filled: Path) -> None:
    before = contents(filled)
    full = OSError(28, "No space left on device")
    with refusing(filled, full) as repository, pytest.raises(MissingError, match="Every model in the repository is wh"):
        publish(repository, NEW, NAME, LAST)
    assert contents(filled) == before
    assert not (filled / NEW).exists()
    with refusing(filled, full) as repository, pytest.raises(MissingError):
        repository.roll_back([NAME, LAST])
    assert contents(filled) == before


def test_an_interruption_is_undone_too(filled: Path) -> None:
    before = contents(filled)
    with refusing(filled, KeyboardInterrupt()) as repository, pytest.raises(KeyboardInterrupt):
        publish(repository, NEW, NAME, LAST)
    assert contents(filled) == before


def test_what_another_came_before_keeps_its_number_and_is_not_served(filled: Path) -> None:
    with refusing(filled, ConflictError("somebody was first")) as repository, pytest.raises(ConflictError):
        publish(repository, NAME, LAST)
    assert [served(filled, name) for name in (NAME, LAST)] == [[2], [2]]
    assert version_numbers(filled / LAST) == [1, 2, 3]
    with open_repository(filled) as repository:
        (done,) = repository.publish([candidate(repository, b"new", name=LAST)], keep=2)
    assert (done.version, done.pruned) == (4, (1, 3))


def test_a_record_that_changes_meanwhile_is_not_written_over(filled: Path) -> None:
    """By hand, or by a release that knows no lock."""

    class Disturbed(LocalStore):
        def add_version(self, model: str, version: int, source: Path) -> None:
            super().add_version(model, version, source)
            path = self._root / model / "config.pbtxt"
            path.write_text(f"{path.read_text()}# by hand\n")

    with open_repository(filled) as ours:
        repository = Repository(Disturbed(filled, ours.workspace("scratch")), ours._staging)
        with pytest.raises(ConflictError, match="was changed by somebody else meanwhile"):
            publish(repository, NAME)
    assert served(filled) == [2]
    assert (filled / NAME / "config.pbtxt").read_text().endswith("# by hand\n")


@pytest.mark.parametrize("act", ["publish", "stage and switch", "switch"])
def test_a_record_that_somebody_removed_is_written_anew(models: Path, act: str) -> None:
    release(models, b"one")
    (models / NAME / "config.pbtxt").unlink()
    with open_repository(models) as repository:
        if act == "publish":
            publish(repository, NAME)
        elif act == "switch":
            repository.switch(NAME, 1)
        else:
            (done,) = repository.stage([candidate(repository, b"new")])
            assert served(models) == []
            repository.switch(NAME, done.version)
    assert served(models) == [1 if act == "switch" else 2]


def test_what_was_taken_over_stays_served_when_the_publication_fails(models: Path) -> None:
    exchange.write(models, [1, 2])
    (models / NAME).rename(models / LAST)
    full = OSError(28, "No space left on device")
    with refusing(models, full) as repository, pytest.raises(MissingError):
        publish(repository, NEW, LAST)
    assert [path.name for path in models.iterdir()] == [LAST]
    assert version_numbers(models / LAST) == [1, 2]


def test_publishers_at_once_get_a_number_each(models: Path) -> None:
    """They wait for each other, and none is lost."""
    numbers: list[int] = []

    def work(writer: int) -> None:
        for turn in range(5):
            numbers.append(release(models, b"%d of %d" % (turn, writer), keep=99).version)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == version_numbers(models / NAME) == list(range(1, 21))
    assert served(models) == [20]
