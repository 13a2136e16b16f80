"""Addresses of object stores, as Triton spells them."""

from pathlib import Path

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.repository.store.address import Address, is_address, open_store, read_address
from tritonrepo.repository.store.local import LocalStore


@pytest.mark.parametrize(
    ("text", "found", "shown"),
    [
        ("s3://bucket", Address("s3", "bucket"), "s3://bucket"),
        ("s3://bucket/a/b.c_d-e/", Address("s3", "bucket", "a/b.c_d-e"), "s3://bucket/a/b.c_d-e"),
        ("s3://host:9000/bucket", Address("s3", "bucket", "", "http://host:9000"), "s3://http://host:9000/bucket"),
        ("s3://http://127.0.0.1:9/b/p", Address("s3", "b", "p", "http://127.0.0.1:9"), "s3://http://127.0.0.1:9/b/p"),
        ("s3://https://h:443/b/p", Address("s3", "b", "p", "https://h:443"), "s3://https://h:443/b/p"),
        ("gs://bucket/models", Address("gs", "bucket", "models"), "gs://bucket/models"),
        ("as://account/box/a/b", Address("as", "box", "a/b", account="account"), "as://account/box/a/b"),
    ],
)
def test_an_address_is_read_and_shown_as_triton_takes_it(text: str, found: Address, shown: str) -> None:
    assert read_address(text, {}) == found
    assert str(found) == shown
    assert read_address(shown, {}) == found


@pytest.mark.parametrize(
    "text",
    [
        *("s3://", "s3:/bucket", "S3://bucket", "s3://b/../c", "s3://b/a//c", "s3://b/a?x=1", "s3://host:port/b"),
        *("s3://b/white space", "gs://host:9/b/c d", "as://account", "as://a/"),
    ],
)
def test_what_triton_would_not_take_is_refused_with_the_right_spelling(text: str) -> None:
    scheme = text[:2].lower()
    with pytest.raises(UsageError, match=f"the {scheme}:// address is not {scheme}://"):
        read_address(text, {})


@pytest.mark.parametrize("text", ["s3://user:secret@bucket/x", "s3://http://u:secret@h:9/b", "as://a:secret@b/c"])
def test_credentials_in_an_address_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError, match="holds a user or a password, which everybody on this machine could") as caught:
        read_address(text, {})
    assert "secret" not in str(caught.value)


def test_the_environment_may_name_ones_own_store() -> None:
    environment = {"AWS_ENDPOINT_URL": "https://store:9000/", "AWS_ENDPOINT_URL_S3": ""}
    assert str(read_address("s3://bucket/x", environment)) == "s3://https://store:9000/bucket/x"
    assert str(read_address("s3://other:1/bucket/x", environment)) == "s3://http://other:1/bucket/x"
    assert read_address("gs://bucket/x", environment) == Address("gs", "bucket", "x")


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("gs://bucket/x", "CLOUD_STORAGE_EMULATOR_ENDPOINT", "http://127.0.0.1:4443"),
        ("as://account/box/x", "AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:10000/account"),
        ("as://account/box/x", "AZURE_STORAGE_ENDPOINT", "https://account.blob.core.chinacloudapi.cn"),
    ],
)
def test_the_server_of_a_google_or_azure_store_is_no_part_of_the_address(text: str, name: str, value: str) -> None:
    """Triton would take it for the bucket."""
    found = read_address(text, {name: f"{value}/"})
    assert (found.endpoint, str(found)) == (value, text)


def test_a_path_is_no_address(tmp_path: Path) -> None:
    assert [text for text in ("models", "/srv/s3", "./s3:/x", "C:/models", "http://x/y") if is_address(text)] == []
    assert isinstance(open_store(tmp_path), LocalStore)


@pytest.mark.parametrize(
    "value", ["store:9000", "http://user:SECRET@store:9000", "http://store:port", "http://s:1/SECRET@x"]
)
def test_an_endpoint_of_the_environment_that_is_none_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL in the environment is not http://HOST:PORT") as caught:
        read_address("s3://bucket/x", {"AWS_ENDPOINT_URL": value})
    assert "SECRET" not in str(caught.value)
    for text, name in (("gs://b/x", "CLOUD_STORAGE_EMULATOR_ENDPOINT"), ("as://a/b", "AZURE_STORAGE_ENDPOINT")):
        with pytest.raises(UsageError, match=f"{name} in the environment is not http://HOST:PORT") as caught:
            read_address(text, {name: value})
        assert "SECRET" not in str(caught.value)
