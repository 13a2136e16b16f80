"""The seam over a real object store."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import obstore
import psutil
import pytest

from tests.conftest import heed_interrupts
from tests.objectstore import CREDENTIALS, put, refusing
from tritonrepo.client.errors import MissingError
from tritonrepo.repository.errors import StoreError
from tritonrepo.repository.store import bucket as parts
from tritonrepo.repository.store import claims
from tritonrepo.repository.store.address import Address
from tritonrepo.repository.store.bucket import Bucket
from tritonrepo.repository.store.objects import DEADLINE, ObjectStore
from tritonrepo.repository.store.processes import process_of
from tritonrepo.repository.store.seam import ConflictError

pytestmark = pytest.mark.live


@pytest.fixture
def store(bucket: Address) -> ObjectStore:
    return ObjectStore(bucket)


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


def url_of(bucket: Address, name: str) -> str:
    return f"{bucket.endpoint}/{bucket.bucket}/{bucket.prefix}/{name}"


def test_a_store_that_is_empty_has_nothing(store: ObjectStore, bucket: Address) -> None:
    assert store.address == str(bucket)
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


def test_of_two_publishers_of_a_version_one_is_told(store: ObjectStore, bucket: Address, source: Path) -> None:
    ours = Bucket(bucket, 10)
    assert claims.claim(ours, "net", 1)
    with pytest.raises(ConflictError, match="version 1 of net is being published by somebody else"):
        store.add_version("net", 1, source)
    assert store.files("net", 1) == {}
    store.add_version("net", 2, source)
    assert (store.versions("net"), [*claims.read_claims(ours, "net")]) == ([2], [1])


def test_a_late_claim_hides_no_version_that_is_whole(store: ObjectStore, bucket: Address, source: Path) -> None:
    """Who comes too late claims a number for a moment; another who looks then would drop and prune that version."""
    store.add_version("net", 1, source)
    assert claims.claim(Bucket(bucket, 10), "net", 1)
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
    store: ObjectStore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(2 * parts.PART + 12345)
    (source / "model.onnx").write_bytes(content)
    store.add_version("net", 1, source)
    store.fetch("net/1/model.onnx", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert store.checksum("net/1/model.onnx") == hashlib.sha256(content).hexdigest()


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


def test_what_a_killed_publisher_left_is_cleared_by_the_next(store: ObjectStore, bucket: Address, source: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tritonrepo.repository.store import bucket; from tritonrepo.repository.store.address import *\n"
        "send = bucket.Bucket.send\n"
        "bucket.Bucket.send = lambda *a: (send(*a), os.kill(os.getpid(), signal.SIGKILL))\n"
        "open_store(read_address(sys.argv[1])).add_version('net', 1, Path(sys.argv[2]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(bucket), str(source)])
    assert done.returncode == -9
    ours = Bucket(bucket, 10)
    assert (store.versions("net"), store.files("net", 1), [*claims.read_claims(ours, "net")]) == (
        [], {"model.onnx": 1000}, [1],
    )  # fmt: skip
    store.add_version("net", 1, source)
    assert (store.versions("net"), len(store.files("net", 1)), claims.read_claims(ours, "net")) == ([1], 4, {})


def test_a_claim_is_dead_with_its_process_and_not_before(bucket: Address) -> None:
    ours = Bucket(bucket, 10)
    assert claims.claim(ours, "net", 1)
    assert claims.claim(ours, "net_2", 3)
    assert claims.find_dead(ours, "net") == []
    machine, pid, start = process_of(os.getpid()).split()
    for version, words in {2: (machine, pid, "1"), 3: ("elsewhere", "1", "1"), 4: (machine, "999999999", "1")}.items():
        put(url_of(bucket, claims.claim_name("net", version)), " ".join((*words, "x\n")).encode())
    assert claims.find_dead(ours, "net") == [2, 4]
    assert psutil.Process().pid == int(pid)
    assert start.isdigit()


def test_a_publish_that_cannot_go_on_leaves_nothing(
    store: ObjectStore, bucket: Address, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(self: Bucket, path: Path, name: str) -> None:
        if name.endswith("labels.txt"):
            raise StoreError("full")
        original(self, path, name)

    original = Bucket.send
    monkeypatch.setattr(Bucket, "send", send)
    with pytest.raises(StoreError, match="full"):
        store.add_version("net", 1, source)
    assert (store.models(), claims.read_claims(Bucket(bucket, 10), "net")) == ([], {})


def test_a_file_of_somebody_else_is_read_for_its_checksum(store: ObjectStore, bucket: Address) -> None:
    put(url_of(bucket, "net/1/model.onnx"), b"by hand")
    assert store.checksum("net/1/model.onnx") == hashlib.sha256(b"by hand").hexdigest()


def test_a_store_that_ignores_conditions_is_refused(
    store: ObjectStore, bucket: Address, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As older stores do: each PUT is done, whatever its headers say."""
    original = obstore.put
    monkeypatch.setattr(obstore, "put", lambda *words, mode=None, **rest: original(*words, **rest))
    with pytest.raises(StoreError, match="the store ignores If-Match and If-None-Match"):
        store.add_version("net", 1, source)
    assert (store.models(), claims.read_claims(Bucket(bucket, 10), "net")) == ([], {})


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, from anywhere."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("nowhere")
def test_without_credentials_it_says_how_to_give_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="s3://b/x: no credentials were found; set AWS_ACCESS_KEY_ID and"):
        ObjectStore(Address("s3", "b", "x"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match=r"profile \(nobody\) could not be found"):
        ObjectStore(Address("s3", "b", "x"))


@pytest.mark.usefixtures("nowhere")
def test_a_profile_gives_credentials_and_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, object_server: str
) -> None:
    (tmp_path / ".aws").mkdir()
    text = "[profile mine]\nregion = eu-west-1\naws_access_key_id = k\naws_secret_access_key = s\n"
    (tmp_path / ".aws" / "config").write_text(text)
    monkeypatch.setenv("AWS_PROFILE", "mine")
    put(f"http://{object_server}/of-a-profile", b"")
    assert ObjectStore(Address("s3", "of-a-profile", "", f"http://{object_server}")).models() == []


def test_each_trouble_has_its_words(bucket: Address, object_server: str) -> None:
    with pytest.raises(StoreError, match="there is no bucket none; make it, or correct the address"):
        ObjectStore(Address("s3", "none", "x", bucket.endpoint)).models()
    with pytest.raises(StoreError, match="there is no bucket none"):
        ObjectStore(Address("s3", "none", "x", bucket.endpoint)).read("net/config.pbtxt")
    with pytest.raises(StoreError, match="there is no bucket none"):
        ObjectStore(Address("s3", "none", "x", bucket.endpoint)).commit("net", "text", None)
    with pytest.raises(StoreError, match=r"nobody answers at http://127\.0\.0\.1:1; correct host and port"):
        ObjectStore(Address("s3", "b", "x", "http://127.0.0.1:1"), deadline=2).models()
    with pytest.raises(StoreError, match=f"nobody answers at https://{object_server}; .*http or https"):
        ObjectStore(Address("s3", "b", "x", f"https://{object_server}"), deadline=2).models()


@pytest.mark.usefixtures("bucket")
def test_a_store_that_is_silent_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("s3", "b", "x", f"http://127.0.0.1:{listener.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(StoreError, match="does not answer within 1 s"):
            ObjectStore(address, deadline=1).models()
        assert time.monotonic() - began < 10


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("code", ["AccessDenied", "SignatureDoesNotMatch", "PermanentRedirect"])
def test_a_refusal_is_told_with_its_reason(code: str) -> None:
    with refusing(code) as endpoint, pytest.raises(StoreError) as caught:
        ObjectStore(Address("s3", "b", "x", endpoint), deadline=2).models()
    words = {"PermanentRedirect": "in another region; set AWS_DEFAULT_REGION"}.get(code, "access is refused (no, sir)")
    assert words in str(caught.value)


def test_google_and_azure_say_what_they_lack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(MissingError, match=r"gs://b/x: .*set GOOGLE_APPLICATION_CREDENTIALS"):
        ObjectStore(Address("gs", "b", "x"), deadline=2).models()
    monkeypatch.setenv("AZURE_STORAGE_KEY", json.dumps("no base64!"))
    with pytest.raises(MissingError, match=r"as://a/b/x: .*set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY"):
        ObjectStore(Address("as", "b", "x", account="a"), deadline=2).models()


def test_ctrl_c_is_heeded_while_a_store_is_silent() -> None:
    """It takes the connection and never answers: nobody waits for the deadline to be let go."""
    environment = {**os.environ, **CREDENTIALS, "PYTHONPATH": os.pathsep.join(sys.path)}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"s3://127.0.0.1:{silent.getsockname()[1]}/bucket/models"
        words = [sys.executable, "-m", "tritonrepo", "versions", "--repository", address]
        with subprocess.Popen(
            words, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
        ) as process:
            silent.settimeout(DEADLINE)
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)  # the request is under way
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=DEADLINE / 2)
    assert (process.returncode, said) == (130, "interrupted\n")
