"""A repository on a disk: what a polling server may notice, and filesystems on which little can be renamed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.overlay import USER, on_overlay
from tests.repository.releases import NAME, candidate, contents, release, served
from tests.repository.store.conftest import make_disk
from tests.repository.store.test_stores import MODEL, TEXT, files
from tritonrepo.repository.layout import version_numbers
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.store.local import INCOMPLETE, LocalStore, find_scratch
from tritonrepo.repository.store.seam import Store

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["disk", "disk without scratch"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty repository."""
    return make_disk(tmp_path, with_scratch=request.param == "disk")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory on another filesystem than tmp_path."""
    path = Path("/dev/shm") / f"tritonrepo-{os.getpid()}"
    path.mkdir()
    yield path
    shutil.rmtree(path)


def test_what_is_served_is_not_touched_by_what_comes_and_goes(store: Store, tmp_path: Path) -> None:
    """To Triton a file changes with its inode too, as by a hard link, and it then loads the version again."""
    record = store.create(MODEL, 1, files(tmp_path, b"one"), TEXT)
    model = tmp_path / "models" / MODEL
    before = {path: path.stat() for path in (model / "1").rglob("*")}
    store.add_version(MODEL, 2, files(tmp_path, b"two"))
    store.fetch(f"{MODEL}/1/lib/code.py", tmp_path / "code.py")
    (tmp_path / "code.py").unlink()
    store.remove_version(MODEL, 2)
    store.commit(MODEL, f"{TEXT} ", record)
    after = {path: path.stat() for path in (model / "1").rglob("*")}
    assert {path: (one.st_mtime_ns, one.st_ctime_ns) for path, one in before.items()} == {
        path: (one.st_mtime_ns, one.st_ctime_ns) for path, one in after.items()
    }
    assert {path.name for path in model.iterdir()} == {"1", "config.pbtxt"}


def test_nothing_is_linked_to_a_published_version(models: Path) -> None:
    """The staging directory is cleared after the commit, when a server may have loaded the version."""
    release(models, b"one")
    with open_repository(models) as repository:
        repository.publish([candidate(repository, b"two")], 2)
        before = {path: path.stat().st_ctime_ns for path in (models / NAME / "2").iterdir()}
    assert before == {path: path.stat().st_ctime_ns for path in (models / NAME / "2").iterdir()}


@pytest.mark.parametrize("young", ["", "1/model.onnx", "config.pbtxt"])
def test_a_commit_is_noticed_after_the_clock_was_set_back(store: Store, tmp_path: Path, young: str) -> None:
    model = tmp_path / "models" / MODEL
    record = store.create(MODEL, 1, files(tmp_path, b"one"), TEXT)
    future = 4 * 10**18
    os.utime(model / young, ns=(future, future))
    store.commit(MODEL, f"{TEXT} ", record)
    assert model.stat().st_mtime_ns > future


def test_staging_on_another_filesystem_is_copied_from(models: Path, elsewhere: Path) -> None:
    with open_repository(models, elsewhere) as repository:
        assert find_scratch(repository.workspace("place"), models) is None
    for content in (b"one", b"two", b"three"):
        release(models, content, staging=elsewhere)
    assert served(models) == [3]
    assert sorted(path.name for path in (models / NAME).iterdir()) == ["2", "3", "config.pbtxt"]
    assert [path.name for path in models.iterdir()] == [NAME]
    assert list(elsewhere.iterdir()) == []
    assert [path.name for path in models.parent.iterdir()] == [models.name]
    local = models.parent / "others/models"
    for content in (b"one", b"two", b"three"):
        release(local, content)
    assert contents(local) == contents(models)


def test_what_a_killed_copy_left_is_no_version_and_goes(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    store = LocalStore(tmp_path / "models")
    store.create(MODEL, 1, files(tmp_path, b"one"), TEXT)
    half = tmp_path / "models" / MODEL / "2"
    half.mkdir()
    for name in ("model.onnx", "stray", INCOMPLETE):
        (half / name).write_bytes(b"ha")
    assert store.versions(MODEL) == [1]
    store.add_version(MODEL, 2, files(tmp_path, b"two"))
    assert store.versions(MODEL) == [1, 2]
    assert store.files(MODEL, 2).keys() == {"lib/code.py", "manifest.json", "model.onnx"}


COPIER = """
import sys
from pathlib import Path
from tests.repository.releases import release
models, elsewhere = map(Path, sys.argv[1:])
release(models, b"x" * 50_000_000, staging=elsewhere)
"""


def test_a_kill_in_the_middle_of_a_copy_leaves_no_version(models: Path, elsewhere: Path) -> None:
    release(models, b"one")
    arriving = models / NAME / "2"
    with subprocess.Popen([sys.executable, "-c", COPIER, str(models), str(elsewhere)], cwd=ROOT) as process:
        wait_until(lambda: (arriving / INCOMPLETE).exists() or process.poll() is not None)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert LocalStore(models).versions(NAME) == [1]
    assert (release(models, b"two").version, served(models)) == (2, [2])
    assert (arriving / "model.onnx").read_bytes() == b"two"


def test_a_version_is_known_as_ours_until_it_is_gone(tmp_path: Path) -> None:
    """A writer that is killed while it prunes leaves what the next one can prune."""
    (tmp_path / "models").mkdir()
    store = LocalStore(tmp_path / "models")
    store.create(MODEL, 1, files(tmp_path, b"one"), TEXT)
    removed: list[str] = []
    watching = [True]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.remove" and watching:
            removed.append(Path(str(arguments[0])).name)

    sys.addaudithook(watch)
    store.remove_version(MODEL, 1)
    watching.clear()
    assert sorted(removed) == ["code.py", "manifest.json", "model.onnx"]
    assert removed[-1] == "manifest.json"


@pytest.mark.parametrize(
    ("namespaces", "option", "pruned"),
    [((), "", "pruned 1 left"), (USER, ",userxattr", "pruned 1 left"), (USER, "", "pruned left 1")],
)
def test_a_repository_in_the_lower_layer_of_an_overlay(
    models: Path, tmp_path: Path, namespaces: tuple[str, ...], option: str, pruned: str
) -> None:
    """As in an image, of root and of a user. In the last no directory of the lower layer takes or loses another."""
    release(models, b"one")
    release(models, b"two")
    place = tmp_path / "place"
    place.mkdir()
    words = [sys.executable, "-m", "tests.repository.store.on_overlay", str(place / "merged/models")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = on_overlay(place, models, words, namespaces, option)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stderr == ""
    assert " ".join(done.stdout.split()) == f"overlay published 3 {pruned} back 2 published 4"
    assert version_numbers(models / NAME) == [1, 2], "the lower layer was written to"


ON_FULL_DISK = """
mount -t tmpfs -o size=2m,nr_inodes=200 tmpfs "$1" && exec "$2" -m tests.repository.store.on_full_disk "$1"
"""


def test_a_disk_that_is_full_at_any_write_leaves_all_as_it_was(tmp_path: Path) -> None:
    """With a page, or an inode, more each time, so that every write is once the one that fails."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = ["unshare", *USER, "--mount", "sh", "-ec", ON_FULL_DISK, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stderr == ""
    failures = {what: count for count, what in (line.split() for line in done.stdout.splitlines())}
    assert int(failures["pages"]) > 10
    assert int(failures["inodes"]) > 10
