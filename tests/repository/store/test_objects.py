"""The seam over a real object store."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import obstore
import psutil
import pytest

from tests.repository.store.conftest import plant
from tritonrepo.repository.errors import StoreError
from tritonrepo.repository.store import bucket as parts
from tritonrepo.repository.store import claims
from tritonrepo.repository.store.access import connect
from tritonrepo.repository.store.address import Address
from tritonrepo.repository.store.bucket import Bucket
from tritonrepo.repository.store.objects import ObjectStore
from tritonrepo.repository.store.processes import process_of
from tritonrepo.repository.store.seam import ConflictError

pytestmark = pytest.mark.live


@pytest.fixture
def store(cloud: Address) -> ObjectStore:
    return ObjectStore(cloud)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A version, as it is staged."""
    source = tmp_path / "1"
    (source / "lib").mkdir(parents=True)
    for name, text in {
        "model.onnx": "x" * 1000,
        "manifest.json": "{}",
        "labels.txt": "a\n",
        "lib/code.py": "1",
    }.items():
        (source / name).write_text(text)
    return source


def test_a_store_that_is_empty_has_nothing(store: ObjectStore, cloud: Address) -> None:
    assert store.address == str(cloud)
    assert (store.models(), store.versions("net"), store.files("net", 1)) == ([], [], {})
    assert (store.record("net"), store.read("net/1/manifest.json"), store.checksum("net/1/model.onnx")) == (None,) * 3


def test_a_version_is_there_whole_and_once(store: ObjectStore, source: Path) -> None:
    store.add_version("net", 1, source)
    assert store.versions("net") == [1]
    assert store.models() == ["net"]
    assert store.files("net", 1) == {"model.onnx": 1000, "manifest.json": 2, "labels.txt": 2, "lib/code.py": 1}
    assert store.read("net/1/labels.txt") == b"a\n"
    assert store.checksum("net/1/model.onnx") == hashlib.sha256(b"x" * 1000).hexdigest()
    with pytest.raises(ConflictError, match="net has a version 1 already"):
        store.add_version("net", 1, source)
    store.add_version("net", 10, source)
    assert store.versions("net") == [1, 10]
    store.remove_version("net", 1)
    assert (store.versions("net"), store.files("net", 1)) == ([10], {})


def test_the_manifest_is_the_last_that_others_see(
    store: ObjectStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def send(self: Bucket, path: Path, name: str) -> None:
        sent.append(name)
        assert (store.versions("net"), ObjectStore.models(store)) == ([], ["net"] if len(sent) > 1 else [])
        original(self, path, name)

    original = Bucket.send
    monkeypatch.setattr(Bucket, "send", send)
    store.add_version("net", 1, source)
    assert (sent[0], sent[-1]) == ("net/1/model.onnx", "net/1/manifest.json")


def test_of_two_publishers_of_a_version_one_is_told(store: ObjectStore, cloud: Address, source: Path) -> None:
    ours = Bucket(cloud, 10)
    assert claims.claim(ours, "net", 1)
    with pytest.raises(ConflictError, match="version 1 of net is being published by somebody else"):
        store.add_version("net", 1, source)
    assert store.files("net", 1) == {}
    store.add_version("net", 2, source)
    assert (store.versions("net"), [*claims.read_claims(ours, "net")]) == ([2], [1])


def test_a_late_claim_hides_no_version_that_is_whole(store: ObjectStore, cloud: Address, source: Path) -> None:
    """Who comes too late claims a number for a moment; another who looks then would drop and prune that version."""
    store.add_version("net", 1, source)
    assert claims.claim(Bucket(cloud, 10), "net", 1)
    assert store.versions("net") == [1]
    with pytest.raises(ConflictError):
        store.add_version("net", 1, source)


def test_the_record_changes_in_one_step_and_the_loser_is_told(store: ObjectStore) -> None:
    first = store.commit("net", "one", None)
    with pytest.raises(ConflictError, match="somebody else has published net meanwhile"):
        store.commit("net", "other", None)
    assert store.record("net") == first
    second = store.commit("net", "two", first)
    with pytest.raises(ConflictError):
        store.commit("net", "three", first)
    assert store.record("net") == second
    assert second.text == "two"
    with pytest.raises(ConflictError):
        store.commit("gone", "three", second)


def test_an_answer_that_got_lost_is_no_conflict(store: ObjectStore) -> None:
    """The request was done, its answer did not come, and it is sent again."""
    first = store.commit("net", "one", None)
    second = store.commit("net", "two", first)
    assert store.commit("net", "two", first) == second


def test_a_new_model_is_there_with_its_record(store: ObjectStore, source: Path) -> None:
    text = 'name: "net"\nversion_policy { specific { versions: 1 } }\n'
    record = store.create("net", 1, source, text)
    assert store.record("net") == record
    assert (record.text, store.versions("net")) == (text, [1])
    with pytest.raises(ConflictError):
        store.create("net", 2, source, text)
    store.remove_model("net")
    assert (store.record("net"), store.models()) == (None, [])


def test_a_large_file_goes_in_parts_and_comes_back(
    store: ObjectStore, cloud: Address, source: Path, tmp_path: Path
) -> None:
    content = os.urandom(2 * parts.PART + 12345)
    (source / "model.onnx").write_bytes(content)
    store.add_version("net", 1, source)
    store.fetch("net/1/model.onnx", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    digest = hashlib.sha256(content).hexdigest()
    assert store.checksum("net/1/model.onnx") == digest
    found = obstore.get(connect(cloud, 10), "net/1/model.onnx", options={"head": True})
    assert found.attributes[parts.DIGEST] == digest, "nobody has to read it for that"


def test_memory_is_bounded_by_the_parts(bucket: Address, tmp_path: Path) -> None:
    size = 100 << 20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    code = (
        "import sys, resource; from pathlib import Path\n"
        "from tritonrepo.repository.store.bucket import Bucket; from tritonrepo.repository.store.address import *\n"
        "b = Bucket(read_address(sys.argv[1]), 60); peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "b.get('x'); before = peak(); b.send(Path(sys.argv[2]), 'x'); sent = peak() - before\n"
        "b.fetch('x', Path(sys.argv[2] + '2')); print(sent // 1024, (peak() - before) // 1024)\n"
    )
    words = [sys.executable, "-c", code, str(bucket), str(tmp_path / "large")]
    sent, both = map(int, subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())
    assert (tmp_path / "large2").stat().st_size == size
    assert sent < 75, "MiB"
    assert both < 75, "MiB"


def test_what_a_killed_publisher_left_is_cleared_by_the_next(store: ObjectStore, cloud: Address, source: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tritonrepo.repository.store import bucket; from tritonrepo.repository.store.address import *\n"
        "send = bucket.Bucket.send\n"
        "bucket.Bucket.send = lambda *a: (send(*a), os.kill(os.getpid(), signal.SIGKILL))\n"
        "open_store(read_address(sys.argv[1])).add_version('net', 1, Path(sys.argv[2]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(cloud), str(source)])
    assert done.returncode == -9
    ours = Bucket(cloud, 10)
    assert (store.versions("net"), store.files("net", 1), [*claims.read_claims(ours, "net")]) == (
        [], {"model.onnx": 1000}, [1],
    )  # fmt: skip
    store.add_version("net", 1, source)
    assert (store.versions("net"), len(store.files("net", 1)), claims.read_claims(ours, "net")) == ([1], 4, {})


def test_a_claim_is_dead_with_its_process_and_not_before(cloud: Address) -> None:
    ours = Bucket(cloud, 10)
    assert claims.claim(ours, "net", 1)
    assert claims.claim(ours, "net_2", 3)
    assert claims.find_dead(ours, "net") == []
    machine, pid, start = process_of(os.getpid()).split()
    for version, words in {2: (machine, pid, "1"), 3: ("elsewhere", "1", "1"), 4: (machine, "999999999", "1")}.items():
        plant(cloud, claims.claim_name("net", version), " ".join((*words, "x\n")).encode())
    assert claims.find_dead(ours, "net") == [2, 4]
    assert psutil.Process().pid == int(pid)
    assert start.isdigit()


def test_a_publish_that_cannot_go_on_leaves_nothing(
    store: ObjectStore, cloud: Address, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(self: Bucket, path: Path, name: str) -> None:
        if name.endswith("labels.txt"):
            raise StoreError("full")
        original(self, path, name)

    original = Bucket.send
    monkeypatch.setattr(Bucket, "send", send)
    with pytest.raises(StoreError, match="full"):
        store.add_version("net", 1, source)
    assert (store.models(), claims.read_claims(Bucket(cloud, 10), "net")) == ([], {})


def test_a_file_of_somebody_else_is_read_for_its_checksum(store: ObjectStore, cloud: Address) -> None:
    plant(cloud, "net/1/model.onnx", b"by hand")
    assert store.checksum("net/1/model.onnx") == hashlib.sha256(b"by hand").hexdigest()


def test_a_store_that_ignores_conditions_is_refused(
    store: ObjectStore, cloud: Address, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As older stores do: each PUT is done, whatever its headers say."""
    original = obstore.put
    monkeypatch.setattr(obstore, "put", lambda *words, mode=None, **rest: original(*words, **rest))
    with pytest.raises(StoreError, match="the store ignores If-Match and If-None-Match"):
        store.add_version("net", 1, source)
    assert (store.models(), claims.read_claims(Bucket(cloud, 10), "net")) == ([], {})
