"""The only writer: what it leaves, and that nothing that happens to it can be seen half-done."""

import errno
import json
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.repository import publish
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import version_numbers
from tritonrepo.repository.publish import Candidate, Repository, open_repository

NAME = "net_onnx"


def candidate(repository: Repository, content: bytes, config: str = "config 1\n", name: str = NAME) -> Candidate:
    artifact = repository.workspace(name) / "model.onnx"
    artifact.write_bytes(content)
    return Candidate(name, artifact, config, ("a", "b"), {"trained": True})


def release(root: Path, content: bytes, config: str = "config 1\n", keep: int = 2) -> publish.Publication:
    with open_repository(root) as repository:
        (publication,) = repository.publish([candidate(repository, content, config)], keep)
    return publication


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_the_first_version(root: Path) -> None:
    assert release(root, b"one") == publish.Publication(1, "published")
    assert sorted(contents(root)) == [
        "net_onnx/1/config.pbtxt", "net_onnx/1/labels.txt", "net_onnx/1/manifest.json", "net_onnx/1/model.onnx",
        "net_onnx/config.pbtxt", "net_onnx/labels.txt",
    ]  # fmt: skip
    manifest = json.loads((root / NAME / "1" / "manifest.json").read_text())
    assert manifest["trained"] is True
    assert manifest["artifact"] == {
        "file": "model.onnx", "sha256": sha256(root / NAME / "1" / "model.onnx"), "bytes": 3
    }  # fmt: skip
    assert (root / NAME / "labels.txt").read_text() == "a\nb\n"
    assert list((root.parent / ".models.staging").iterdir()) == []


def test_versions_count_up_and_old_ones_are_pruned(root: Path) -> None:
    for number in range(1, 5):
        publication = release(root, b"%d" % number)
        assert publication.version == number
        assert publication.pruned == ((number - 2,) if number > 2 else ())
    assert version_numbers(root / NAME) == [3, 4]
    assert release(root, b"5", keep=1).pruned == (3, 4)


def test_the_same_again_changes_nothing(root: Path) -> None:
    release(root, b"one")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert release(root, b"one") == publish.Publication(1, "unchanged")
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_new_configuration_makes_no_new_version(root: Path) -> None:
    release(root, b"one")
    assert release(root, b"one", "config 2\n") == publish.Publication(1, "reconfigured")
    assert (root / NAME / "config.pbtxt").read_text() == "config 2\n"
    assert version_numbers(root / NAME) == [1]


def test_an_artifact_damaged_on_disk_is_published_again(root: Path) -> None:
    release(root, b"one")
    (root / NAME / "1" / "model.onnx").write_bytes(b"xxx")
    assert release(root, b"one").version == 2


def test_rollback_restores_the_version_with_its_configuration(root: Path) -> None:
    release(root, b"one", "config 1\n")
    release(root, b"two", "config 2\n")
    with open_repository(root) as repository:
        assert repository.roll_back(NAME) == 1
        assert version_numbers(root / NAME) == [1]
        assert (root / NAME / "config.pbtxt").read_text() == "config 1\n"
        with pytest.raises(PublishError, match="needs an older one"):
            repository.roll_back(NAME)


def test_what_others_put_there_stays(root: Path) -> None:
    release(root, b"one")
    (root / NAME / "configs").mkdir()
    (root / NAME / "configs" / "h100.pbtxt").write_text("mine")
    (root / NAME / "7").mkdir()
    (root / NAME / "7" / "model.onnx").write_bytes(b"by hand")
    assert release(root, b"two", keep=1).version == 8
    assert (root / NAME / "configs" / "h100.pbtxt").read_text() == "mine"
    assert version_numbers(root / NAME) == [7, 8]


@pytest.mark.parametrize("make", ["file", "link", "foreign"])
def test_what_is_not_ours_is_not_overwritten(make: str, root: Path, tmp_path: Path) -> None:
    root.mkdir()
    if make == "file":
        (root / NAME).write_text("precious")
    elif make == "link":
        (root / NAME).symlink_to(tmp_path)
    else:
        (root / NAME / "1").mkdir(parents=True)
        (root / NAME / "config.pbtxt").write_text("precious")
    before = contents(root)
    with pytest.raises(PublishError, match="move it away"):
        release(root, b"one")
    assert contents(root) == before


def open_and_close(root: Path, staging: Path | None = None) -> None:
    with open_repository(root, staging):
        pass


def test_paths_that_cannot_be_a_repository(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is not a directory"):
        open_and_close(tmp_path / "file")
    with pytest.raises(UsageError, match="would take it for a model"):
        open_and_close(tmp_path / "models", tmp_path / "models" / "below")
    with pytest.raises(MissingError, match="cannot write to the repository"):
        open_and_close(Path("/proc/models"))


def test_staging_on_another_filesystem_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="different filesystems"):
        open_and_close(tmp_path / "models", Path("/dev/shm"))
    assert not Path("/dev/shm/.models.staging").exists()


def test_only_what_we_staged_is_cleared(tmp_path: Path) -> None:
    """`--staging` may name any directory, even one that holds the repository."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    root = tmp_path / "home" / "models"
    release(root, b"one")
    (tmp_path / ".models.staging" / "1-net_onnx" / "net_onnx").mkdir(parents=True)
    (tmp_path / ".models.staging" / ".nfs0001").write_text("")
    (tmp_path / ".models.staging" / "mine").mkdir()
    with open_repository(root, tmp_path) as repository:
        (publication,) = repository.publish([candidate(repository, b"two")])
    assert publication.version == 2
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in (tmp_path / ".models.staging").iterdir()) == [".nfs0001", "mine"]


def test_two_stagings_of_one_repository_exclude_each_other(tmp_path: Path) -> None:
    waiting: list[str] = []
    root, other = tmp_path / "models", tmp_path / "other"
    order: list[str] = []

    def second() -> None:
        with open_repository(root, other, waiting.append):
            order.append("second")

    with open_repository(root):
        thread = threading.Thread(target=second)
        thread.start()
        wait_until(lambda: waiting)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_all_are_published_or_none(root: Path) -> None:
    root.mkdir()
    (root / "net_torchscript").write_text("precious")
    with open_repository(root) as repository, pytest.raises(PublishError, match="move it away"):
        repository.publish([candidate(repository, b"one"), candidate(repository, b"two", name="net_torchscript")])
    assert [path.name for path in root.iterdir()] == ["net_torchscript"]


def test_a_version_that_triton_cannot_follow_is_refused(root: Path) -> None:
    release(root, b"one")
    (root / NAME / str(2**63)).mkdir()
    with pytest.raises(PublishError, match="cannot count further"):
        release(root, b"two")


def test_rollback_leaves_versions_that_are_not_ours(root: Path) -> None:
    release(root, b"one")
    (root / NAME / "2").mkdir()
    with open_repository(root) as repository, pytest.raises(PublishError, match="not ours to withdraw"):
        repository.roll_back(NAME)
    assert version_numbers(root / NAME) == [1, 2]


def test_a_second_writer_waits_and_says_so(root: Path) -> None:
    waiting = threading.Event()
    done: list[str] = []

    def second() -> None:
        with open_repository(root, waiting=lambda _: waiting.set()):
            done.append("second")

    with open_repository(root):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        assert not done
    thread.join(10)
    assert done == ["second"]


def test_a_full_disk_loses_nothing(root: Path) -> None:
    """A limit on the size of files stands for the full disk: the write fails in the middle."""
    release(root, b"one")
    before = contents(root)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with open_repository(root) as repository:
            following = candidate(repository, b"two", config="c" * 5000)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
            with pytest.raises(MissingError, match="Every model in it is whole") as caught:
                repository.publish([following])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EFBIG
    assert contents(root) == before
    assert release(root, b"two").version == 2


def test_a_reader_never_misses_the_configuration(root: Path) -> None:
    """One thread publishes, another reads by path, as a polling server does."""
    release(root, b"0" * 100, "config 0\n")
    failures: list[str] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                seen = (root / NAME / "config.pbtxt").read_text(), (root / NAME / "labels.txt").read_text()
            except OSError as exc:
                failures.append(str(exc))
            else:
                if not seen[0].startswith("config ") or seen[1] != "a\nb\n":
                    failures.append(repr(seen))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 40):
        release(root, b"%d" % number * 100, f"config {number}\n")
    stop.set()
    reader.join()
    assert not failures


PUBLISHER = """
import sys
from pathlib import Path
from tritonrepo.repository.publish import Candidate, open_repository
root, number = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
while True:
    number += 1
    with open_repository(root) as repository:
        artifact = repository.workspace("net_onnx") / "model.onnx"
        artifact.write_bytes(b"%d" % number * 1_000_000)
        config = f"config {number}\\n"
        repository.publish([Candidate("net_onnx", artifact, config, ("a", "b"), {"number": number})])
"""


def test_a_kill_at_any_moment_leaves_whole_versions(root: Path) -> None:
    release(root, b"0", "config 0\n")
    moments = random.Random(20)
    for attempt in range(30):
        arguments = [sys.executable, "-c", PUBLISHER, str(root), str(attempt * 1000)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(moments.uniform(0, 0.15))  # the moment of the kill, not a wait for anything
            process.kill()
        check_whole(root)
    assert len(version_numbers(root / NAME)) == 2
    assert version_numbers(root / NAME)[-1] > 10
    release(root, b"last")
    assert list((root.parent / ".models.staging").iterdir()) == []


def check_whole(root: Path) -> None:
    """Every version has the bytes that its manifest tells of, and the configuration is that of the newest."""
    assert [path.name for path in root.iterdir()] == [NAME]
    versions = version_numbers(root / NAME)
    assert versions
    for number in versions:
        manifest = json.loads((root / NAME / str(number) / "manifest.json").read_text())
        assert sha256(root / NAME / str(number) / "model.onnx") == manifest["artifact"]["sha256"]
    newest = root / NAME / str(versions[-1])
    assert (root / NAME / "config.pbtxt").read_text() == (newest / "config.pbtxt").read_text()
