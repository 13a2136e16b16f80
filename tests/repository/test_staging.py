"""The staging directory: one writer at a time, and nothing is left of it."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.repository.releases import candidate, release
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.staging import _check_paths, held_directory, open_staging

ROOT = Path(__file__).parents[2]


def open_and_close(models: Path, staging: Path | None = None) -> None:
    with open_repository(models, staging):
        pass


def test_paths_that_cannot_be_a_repository(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is not a directory"):
        open_and_close(tmp_path / "file")
    (tmp_path / ".models.staging").touch()
    with pytest.raises(UsageError, match=r"\.models\.staging: is not a directory"):
        open_and_close(tmp_path / "models")
    with pytest.raises(UsageError, match="would take it for a model"):
        open_and_close(tmp_path / "models", tmp_path / "models" / "below")
    with pytest.raises(MissingError, match="cannot write to the repository"):
        open_and_close(Path("/proc/models"))


def test_only_what_we_staged_is_cleared(tmp_path: Path) -> None:
    """`--staging` may name any directory, even one that holds the repository."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    models = tmp_path / "home" / "models"
    release(models, b"one")
    (tmp_path / ".models.staging" / "1-net_onnx" / "net_onnx").mkdir(parents=True)
    (tmp_path / ".models.staging" / ".nfs0001").write_text("")
    (tmp_path / ".models.staging" / "mine").mkdir()
    with open_repository(models, tmp_path) as repository:
        (publication,) = repository.publish([candidate(repository, b"two")], keep=2)
    assert publication.version == 2
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in (tmp_path / ".models.staging").iterdir()) == [".nfs0001", "mine"]


def test_two_stagings_of_one_repository_exclude_each_other(tmp_path: Path) -> None:
    waiting: list[str] = []
    models, other = tmp_path / "models", tmp_path / "other"
    order: list[str] = []

    def second() -> None:
        with open_repository(models, other, waiting.append):
            order.append("second")

    with open_repository(models):
        thread = threading.Thread(target=second)
        thread.start()
        wait_until(lambda: waiting)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_second_writer_waits_and_says_so(models: Path) -> None:
    waiting = threading.Event()
    done: list[str] = []

    def second() -> None:
        with open_repository(models, waiting=lambda _: waiting.set()):
            done.append("second")

    with open_repository(models):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        assert not done
    thread.join(10)
    assert done == ["second"]


def end_with(error: BaseException, models: Path) -> None:
    with open_repository(models) as repository:
        (repository.workspace("net_onnx") / "model.onnx").write_bytes(b"half")
        assert (models.parent / ".models.staging").is_dir()
        raise error


@pytest.mark.parametrize("error", [UsageError("refused"), KeyboardInterrupt(), OSError("no space")])
def test_whatever_ends_the_work_the_directory_goes(models: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        end_with(error, models)
    assert not (models.parent / ".models.staging").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from tritonrepo.repository.publish import open_repository
with open_repository(Path(sys.argv[1])) as repository:
    repository.workspace("net_onnx").joinpath("model.onnx").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_goes_with_the_next(models: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(models)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert list((models.parent / ".models.staging").glob("*/model.onnx"))
    open_and_close(models)
    assert not (models.parent / ".models.staging").exists()


def test_repositories_of_one_name_share_a_staging_place_in_turn(tmp_path: Path) -> None:
    """Each removes the directory when it is done, while the others wait for it."""
    inside: list[str] = []

    def write(name: str) -> None:
        root = tmp_path / name / "models"
        for _ in range(20):
            with open_staging(root, tmp_path / "place", lambda _: None) as staging:
                inside.append(name)
                assert len(inside) == 1, "two writers at once"
                (staging.workspace("net") / "file").write_text(name)
                inside.remove(name)

    (tmp_path / "place").mkdir()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, ("a", "b", "c", "d")))
    assert list((tmp_path / "place").iterdir()) == []


def test_a_directory_that_others_make_and_remove_is_never_taken_for_something_else(tmp_path: Path) -> None:
    """Every writer of the same staging place looks at it, while the one before removes it."""
    place = tmp_path / "place"
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            (place / ".models.staging").mkdir(parents=True)
            (place / ".models.staging").rmdir()

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(come_and_go)
        try:
            for _ in range(5000):
                _check_paths(tmp_path / "models", place, place / ".models.staging")
        finally:
            done.set()
        other.result()


def test_two_writers_make_the_same_new_repository(tmp_path: Path) -> None:
    for turn in range(50):
        start = threading.Barrier(4)

        def write(_: int, root: Path = tmp_path / f"{turn}" / "models", start: threading.Barrier = start) -> None:
            start.wait()
            with open_staging(root, root.parent, lambda _: None):
                pass

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))


def test_no_directory_that_is_held_is_taken_for_an_abandoned_one(tmp_path: Path) -> None:
    """Not even before its maker holds it."""
    (tmp_path / "held-left").mkdir()
    (tmp_path / "other").mkdir()

    def work(number: int) -> None:
        for _ in range(50):
            with held_directory(tmp_path, "held-") as directory:
                (directory / "file").write_text(str(number))
                assert (directory / "file").read_text() == str(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
