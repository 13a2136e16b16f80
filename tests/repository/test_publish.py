"""The only writer: what it leaves, and that nothing that happens to it can be seen half-done."""

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import beside
from tests.repository.releases import FIRST, NAME, SECOND, candidate, contents, largest_batch, release, served
from tritonrepo.client.errors import MissingError
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.errors import ConfigError, PublishError
from tritonrepo.repository.layout import read_config, version_numbers
from tritonrepo.repository.publish import Publication, open_repository


def test_the_first_version(models: Path) -> None:
    assert release(models, b"one") == Publication(1, "published")
    assert sorted(contents(models)) == [
        "net_onnx/1/config.pbtxt", "net_onnx/1/labels.txt", "net_onnx/1/manifest.json", "net_onnx/1/model.onnx",
        "net_onnx/config.pbtxt",
    ]  # fmt: skip
    manifest = json.loads((models / NAME / "1" / "manifest.json").read_text())
    assert manifest["trained"] is False
    assert manifest["artifact"] == {
        "file": "model.onnx", "sha256": sha256(models / NAME / "1" / "model.onnx"), "bytes": 3
    }  # fmt: skip
    assert (models / NAME / "1/labels.txt").read_text() == "a\nb\n"
    assert served(models) == [1]
    assert not (models.parent / ".models.staging").exists()


@pytest.mark.parametrize("umask", [0o077, 0o000, 0o027])
def test_all_may_read_and_the_owner_alone_may_write(models: Path, umask: int) -> None:
    """The server runs as another user, in a container for one."""
    before = os.umask(umask)
    try:
        release(models, b"one")
        release(models, b"two", SECOND)
    finally:
        os.umask(before)
    for path in (models, *models.rglob("*")):
        assert oct(path.stat().st_mode & 0o777) == oct(0o755 if path.is_dir() else 0o644), path


def test_versions_count_up_and_old_ones_are_pruned(models: Path) -> None:
    for number in range(1, 5):
        publication = release(models, b"%d" % number)
        assert publication.version == number
        assert publication.pruned == ((number - 2,) if number > 2 else ())
    assert version_numbers(models / NAME) == [3, 4]
    assert release(models, b"5", keep=1).pruned == (3, 4)


def test_the_same_again_changes_nothing(models: Path) -> None:
    release(models, b"one")
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*")}
    assert release(models, b"one") == Publication(1, "unchanged")
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*")} == before


@pytest.mark.parametrize("change", ["configuration", "labels", "label order"])
def test_any_change_makes_a_new_version(models: Path, change: str) -> None:
    """A running client reads contract and labels when the version changes, and only then."""
    release(models, b"one")
    before = contents(models)
    with open_repository(models) as repository:
        same = candidate(repository, b"one")
        other = {
            "configuration": replace(same, config=SECOND),
            "labels": replace(same, labels=("a", "c")),
            "label order": replace(same, labels=("b", "a")),
        }[change]
        (done,) = repository.publish([other], keep=2)
    assert (done.version, done.status) == (2, "published")
    assert largest_batch(models) == (2 if change == "configuration" else 1)
    assert (models / NAME / "2/labels.txt").read_text().split() == [*other.labels]
    assert served(models) == [2]
    after = contents(models)
    assert {path: after[path] for path in before if path.startswith(f"{NAME}/1/")} == {
        path: text for path, text in before.items() if path.startswith(f"{NAME}/1/")
    }


def test_an_artifact_damaged_on_disk_is_published_again(models: Path) -> None:
    release(models, b"one")
    (models / NAME / "1" / "model.onnx").write_bytes(b"xxx")
    assert release(models, b"one").version == 2


def test_what_others_put_there_stays(models: Path) -> None:
    release(models, b"one")
    (models / NAME / "configs").mkdir()
    (models / NAME / "configs" / "h100.pbtxt").write_text("mine")
    (models / NAME / "7").mkdir()
    (models / NAME / "7" / "model.onnx").write_bytes(b"by hand")
    assert release(models, b"two", keep=1).version == 8
    assert (models / NAME / "configs" / "h100.pbtxt").read_text() == "mine"
    assert version_numbers(models / NAME) == [7, 8]


@pytest.mark.parametrize("make", ["file", "link", "foreign"])
def test_what_is_not_ours_is_not_overwritten(make: str, models: Path, tmp_path: Path) -> None:
    models.mkdir()
    if make == "file":
        (models / NAME).write_text("precious")
    elif make == "link":
        (models / NAME).symlink_to(tmp_path)
    else:
        (models / NAME / "1").mkdir(parents=True)
        (models / NAME / "config.pbtxt").write_text("precious")
    before = contents(models)
    with pytest.raises(PublishError, match="move it away"):
        release(models, b"one")
    assert contents(models) == before


def test_all_are_published_or_none(models: Path) -> None:
    models.mkdir()
    (models / "net_torchscript").write_text("precious")
    with open_repository(models) as repository:
        both = [candidate(repository, b"one"), candidate(repository, b"two", name="net_torchscript")]
        with pytest.raises(PublishError, match="move it away"):
            repository.publish(both, keep=2)
    assert [path.name for path in models.iterdir()] == ["net_torchscript"]


def test_a_version_that_triton_cannot_follow_is_refused(models: Path) -> None:
    release(models, b"one")
    (models / NAME / str(2**63)).mkdir()
    with pytest.raises(PublishError, match="cannot count further"):
        release(models, b"two")


def test_a_full_disk_loses_nothing(models: Path) -> None:
    """A limit on the size of files stands for the full disk: the write fails in the middle."""
    release(models, b"one")
    before = contents(models)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with open_repository(models) as repository:
            following = candidate(repository, b"two", f'{FIRST}parameters {{ key: "{"k" * 5000}" }}')
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
            with pytest.raises(MissingError, match="Every model in the repository is whole") as caught:
                repository.publish([following], keep=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EFBIG
    assert contents(models) == before
    assert release(models, b"two").version == 2


def test_a_reader_always_sees_a_whole_record(models: Path) -> None:
    """One thread publishes, another reads by path, as a polling server does."""
    release(models, b"0" * 100)
    failures: list[str] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                config = read_config(models / NAME)
                (version,) = config.version_policy.specific.versions
                labels = (models / NAME / config.output[0].label_filename).read_text()
                content = (models / NAME / str(version) / "model.onnx").read_bytes()
            except (ConfigError, OSError, ValueError) as exc:
                failures.append(str(exc))
            else:
                if (content, labels) != (b"%d" % config.max_batch_size * 100, f"{config.max_batch_size}\n"):
                    failures.append(f"{config}, {labels!r}, {content!r}")

    def publish(number: int) -> None:
        config = f'max_batch_size: {number} output {{ label_filename: "labels.txt" }}'
        with open_repository(models) as repository:
            one = replace(candidate(repository, b"%d" % number * 100, config), labels=(str(number),))
            repository.publish([one], keep=9)

    publish(1)
    with beside(read, stop):
        for number in range(2, 20):
            publish(number)
    assert not failures


PUBLISHER = """
import os, sys, time
from pathlib import Path
from tests.repository.manifests import manifest_of
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.publish import open_repository

def publish(number):
    with open_repository(models) as repository:
        artifact = repository.workspace("net_onnx") / "model.onnx"
        artifact.write_bytes(b"%d" % number * 1_000_000)
        config = f"max_batch_size: {number}"
        repository.publish([Candidate("net_onnx", artifact, config, ("a", "b"), manifest_of(artifact))], keep=2)

models = Path(sys.argv[1])
publish(1)
begin = time.monotonic()
publish(2)
print(time.monotonic() - begin, flush=True)
for line in sys.stdin:
    pid = os.fork()  # which costs no imports
    if pid == 0:
        number = int(line)
        while True:
            number += 1
            publish(number)
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("ended", flush=True)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_whole_versions(models: Path) -> None:
    release(models, b"0")
    moments = random.Random(20)
    words, place, pipe = [sys.executable, "-c", PUBLISHER, str(models)], Path(__file__).parents[2], subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, bufsize=1, cwd=place) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        seconds = float(process.stdout.readline())
        for attempt in range(1, 31):
            process.stdin.write(f"{attempt * 1000}\n")
            publisher = int(process.stdout.readline())
            time.sleep(moments.uniform(0, 3 * seconds))  # the moment of the kill, not a wait for anything
            os.kill(publisher, signal.SIGKILL)
            assert process.stdout.readline() == "ended\n"
            check_whole(models)
        process.stdin.close()
    assert served(models)[0] > 3
    release(models, b"last")
    assert len(version_numbers(models / NAME)) == 2
    assert not (models.parent / ".models.staging").exists()


def check_whole(models: Path) -> None:
    """Every version has the bytes that its manifest tells of, and the record is that of one of them."""
    assert [path.name for path in models.iterdir()] == [NAME]
    for number in version_numbers(models / NAME):
        manifest = json.loads((models / NAME / str(number) / "manifest.json").read_text())
        assert sha256(models / NAME / str(number) / "model.onnx") == manifest["artifact"]["sha256"]
    (number,) = served(models)
    own = read_config(models / NAME / str(number))
    assert (own.max_batch_size, [*own.version_policy.specific.versions]) == (largest_batch(models), [number])
