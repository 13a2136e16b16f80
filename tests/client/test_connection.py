"""Addresses with and without a scheme, and settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonrepo.client.connection import Connection, Tls, addresses, implied_connection, parse_address
from tritonrepo.client.errors import UsageError
from tritonrepo.client.networks import host_of
from tritonrepo.client.transport import open_transport


@pytest.mark.parametrize(
    ("url", "protocol", "address"),
    [
        ("localhost", "grpc", "localhost:8001"),
        ("localhost", "http", "localhost:8000"),
        ("10.0.0.1:7", "grpc", "10.0.0.1:7"),
        ("[::1]:9000", "grpc", "[::1]:9000"),
        ("gateway:80/triton/", "http", "gateway:80/triton"),
    ],
)
def test_addresses(url: str, protocol: str, address: str) -> None:
    assert parse_address(url, protocol) == address


@pytest.mark.parametrize(
    "url", ["localhost:port", "localhost:0", "localhost:80?x=1", "localhost:80#x", "localhost:99999", ":8001", ""]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        parse_address(url, "http")


@pytest.mark.parametrize("url", ["http://host:80/?token=SECRET", "host:80#SECRET", "ftp://host?SECRET"])
def test_what_may_be_a_secret_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match=r"host.*\?…") as caught:
        open_transport(url)
    assert "SECRET" not in str(caught.value)


def test_grpc_has_no_paths() -> None:
    assert parse_address("gateway:80/", "grpc") == "gateway:80"
    with pytest.raises(UsageError, match="without the path /triton"):
        parse_address("gateway:80/triton", "grpc")


def test_impossible_settings_are_refused(tmp_path: Path) -> None:
    pem = tmp_path / "a.pem"
    pem.write_text("no certificate")
    with pytest.raises(UsageError, match="no such PEM file"):
        Tls(tmp_path / "missing.pem")
    with pytest.raises(UsageError, match="both"):
        Tls(certificate=pem)
    with pytest.raises(UsageError, match="not a usable PEM file"):
        open_transport("localhost", Connection("http", tls=Tls(pem)))
    for wrong in ({"protocol": "carrier pigeon"}, {"compression": "zip"}, {"deadline": 0.0}):
        with pytest.raises(UsageError):
            Connection(**wrong)


@pytest.mark.parametrize(
    ("url", "protocol", "secure", "address"),
    [
        ("localhost", "grpc", False, "localhost:8001"),
        ("http://localhost", "http", False, "localhost:8000"),
        ("HTTP://localhost:9/", "http", False, "localhost:9"),
        ("https://gateway:443/triton/", "http", True, "gateway:443/triton"),
        ("grpc://localhost", "grpc", False, "localhost:8001"),
        ("grpcs://[::1]:9", "grpc", True, "[::1]:9"),
    ],
)
def test_a_scheme_chooses_protocol_and_tls(url: str, protocol: str, secure: bool, address: str) -> None:
    connection = implied_connection(url)
    assert (connection.protocol, connection.tls is not None) == (protocol, secure)
    for chosen in (None, connection):
        transport = open_transport(url, chosen)
        assert transport.url == address
        transport.close()


@pytest.mark.parametrize(
    ("url", "connection", "message"),
    [
        ("http://x:9", Connection("grpc"), r"type --url x:9 --protocol http, or give the gRPC port .*\(usually 8001\)"),
        ("https://x:9", Connection("grpc"), r"type --url x:9 --protocol http"),
        ("grpc://x:9", Connection("http"), r"type --url x:9 --protocol grpc, or give the HTTP port .*\(usually 8000\)"),
        ("https://x:9", Connection("http"), r"asks for TLS.*type --url x:9 --tls"),
        ("http://x:9", Connection("http", tls=Tls()), r"without TLS.*type https://x:9"),
    ],
)
def test_a_scheme_at_odds_with_what_was_chosen_says_what_to_type(
    url: str, connection: Connection, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        open_transport(url, connection)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("unix:/run/triton.sock", "unix"),
        ("unix:///run/triton.sock", "unix"),
        ("unix-abstract:triton", "unix-abstract"),
        ("vsock:2:8001", "vsock"),
        ("ipv4:127.0.0.1:8001", "ipv4"),
        ("dns:triton:8001", "dns"),
        ("xds:///triton", "xds"),
    ],
)
def test_what_grpc_alone_takes_for_an_address_is_named(url: str, kind: str, protocol: str) -> None:
    with pytest.raises(UsageError, match=f"{kind} addresses are not supported: Triton listens on TCP"):
        parse_address(url, protocol)


@pytest.mark.parametrize(
    ("url", "address"), [("dns:///triton", "dns:///triton:8001"), ("dns:///[::1]:9", "dns:///[::1]:9")]
)
@pytest.mark.parametrize("tls", [None, Tls()])
def test_over_grpc_a_name_may_stand_for_several_servers(url: str, address: str, tls: Tls | None) -> None:
    transport = open_transport(url, Connection(tls=tls))
    assert transport.url == address
    assert host_of(address) == address.removeprefix("dns:///").rpartition(":")[0]
    transport.close()


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("dns:///triton:8000", Connection("http")),
        ("dns:///dns:///triton", Connection()),
        ("dns:///", Connection()),
        ("dns:///triton/base", Connection()),
        ("dns:///user@triton", Connection()),
    ],
)
def test_a_name_for_several_servers_is_a_host_alone(url: str, connection: Connection) -> None:
    with pytest.raises(UsageError):
        open_transport(url, connection)


@pytest.mark.parametrize("host", ["unix", "dns", "xds"])
def test_a_host_may_be_called_like_a_scheme(host: str) -> None:
    assert parse_address(f"{host}:8001", "grpc") == f"{host}:8001"
    assert parse_address(f"{host}:8000/base", "http") == f"{host}:8000/base"


@pytest.mark.parametrize(
    ("name", "value"),
    [("X Key", "v"), ("", "v"), ("X-Key:", "v"), ("clé", "v"), ("X-Key", "v\r\nX-Other: w"), ("X-Key", "clé")],
)
def test_a_header_that_no_server_takes_is_named_without_its_value(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        Connection(headers={name: value})
    assert repr(name) in str(caught.value)
    assert value not in str(caught.value).replace(repr(name), "").split()


@pytest.mark.parametrize("url", ["ftp://localhost:8000", "file:///etc/passwd", "://x", "s3://bucket"])
def test_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="Triton speaks gRPC and HTTP"):
        open_transport(url)


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    for url in ("http://me:secret@localhost:8000", "grpc://me:secret@localhost", "me:secret@localhost:8001"):
        with pytest.raises(UsageError, match="--headers") as caught:
            open_transport(url)
        assert "secret" not in str(caught.value)


def test_addresses_are_told_apart() -> None:
    assert addresses("a:1, b:2,") == addresses(["a:1", "b:2"]) == addresses(["a:1,b:2"]) == ["a:1", "b:2"]
    for nothing in ("", ",", [], [""]):
        with pytest.raises(UsageError, match="give HOST:PORT"):
            addresses(nothing)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize(
    "url", ["::1", "::1:8001", "fd00::2", "2001:db8::1:8001", "http://::1:8000", "::ffff:10.0.0.1"]
)
def test_an_ipv6_address_without_brackets_says_what_to_type(url: str, protocol: str) -> None:
    """Where its port begins cannot be told."""
    with pytest.raises(UsageError, match=r"an IPv6 address stands in brackets, as in \[::1\]:800[01]"):
        parse_address(url, protocol)
    assert parse_address("[fd00::2]:1", protocol) == "[fd00::2]:1"
