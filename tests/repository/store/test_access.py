"""How an object store is opened, and what is said when it fails."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import heed_interrupts
from tests.gcs import Front
from tests.objectstore import CREDENTIALS, put, refusing
from tritonrepo.client.errors import MissingError
from tritonrepo.repository.errors import StoreError
from tritonrepo.repository.store.address import Address
from tritonrepo.repository.store.objects import DEADLINE, ObjectStore

pytestmark = pytest.mark.live
TEXT = 'name: "net"\nversion_policy { specific { versions: 1 } }\n'


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
        ObjectStore(Address("s3", "b", "x", "http://127.0.0.1:1"), deadline=1).models()
    with pytest.raises(StoreError, match=f"nobody answers at https://{object_server}; .*http or https"):
        ObjectStore(Address("s3", "b", "x", f"https://{object_server}"), deadline=1).models()


def test_a_google_store_has_the_same_words(google_bucket: Address) -> None:
    none = replace(google_bucket, bucket="none")
    for verb in (
        ObjectStore.models,
        lambda store: store.read("net/x"),
        lambda store: store.commit("net", "text", None),
    ):
        with pytest.raises(StoreError, match=r"gs://none/prod/models: there is no bucket none; make it"):
            verb(ObjectStore(none))
    with pytest.raises(StoreError, match=r"nobody answers at http://127\.0\.0\.1:1; correct host and port"):
        ObjectStore(replace(google_bucket, endpoint="http://127.0.0.1:1"), deadline=1).models()


def test_google_takes_one_write_of_an_object_in_a_second(
    google_bucket: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record of a new model is written twice; one may be published right after another."""
    monkeypatch.setattr(Front, "pace", 1.0)
    (tmp_path / "manifest.json").write_text("{}")
    store = ObjectStore(google_bucket)
    record = store.create("net", 1, tmp_path, TEXT)
    record = store.commit("net", f"{TEXT}\n", record)
    assert store.record("net") == record


def test_a_cloud_that_cannot_be_reached_has_no_port_to_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(
        StoreError, match=r"as://a/b: the store of b cannot be reached; .* whether there is an account a"
    ):
        ObjectStore(Address("as", "b", account="a"), deadline=1).models()


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


def test_azures_refusal_is_told_without_what_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its message goes on with the number and the time of the request."""
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    with refusing("AuthenticationFailed", "no, sir\nRequestId:1\nTime:2") as endpoint:
        store = ObjectStore(Address("as", "b", "x", f"{endpoint}/a", "a"), deadline=2)
        with pytest.raises(StoreError, match=r"as://a/b/x: access is refused \(no, sir\); set AZURE_"):
            store.models()


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
