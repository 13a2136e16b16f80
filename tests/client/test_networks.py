"""Why no server answers: told apart on both protocols, at once; and which proxy is asked."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.fuzz.hostile import HostileServer, response, sending
from tritonrepo.client.connection import Connection
from tritonrepo.client.errors import ServerUnavailableError, TritonRepoError
from tritonrepo.client.networks import is_loopback, proxy_for
from tritonrepo.client.transport import open_transport

PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "http"])
VARIABLES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def failure(address: str, protocol: str, deadline: float = 10.0) -> tuple[str, float]:
    """What a client there says, and after how many seconds."""
    transport = open_transport(address, Connection(protocol, deadline=deadline))
    begin = time.monotonic()
    with pytest.raises(TritonRepoError) as caught:
        transport.server()
    seconds = time.monotonic() - begin
    transport.close()
    assert caught.value.exit_status == 3
    return str(caught.value), seconds


@pytest.fixture
def closed() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@PROTOCOLS
def test_a_refused_connection_is_no_timeout(closed: str, protocol: str) -> None:
    message, seconds = failure(closed, protocol)
    assert message.startswith(closed)
    assert "refused" in message.lower()
    assert message.endswith("Is a server running there? Start one with: tritonrepo serve")
    assert "no answer in" not in message
    assert seconds < 5


@PROTOCOLS
def test_an_unknown_host_is_no_timeout(protocol: str) -> None:
    message, _ = failure("no-such-host.invalid:8000", protocol)
    assert message.endswith("no-such-host.invalid is not known as a host: is it spelt right?")
    assert "no answer in" not in message


@PROTOCOLS
def test_silence_is_a_timeout_after_the_time_that_it_says(protocol: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        message, seconds = failure(f"127.0.0.1:{listener.getsockname()[1]}", protocol, deadline=1)
    assert 0.9 < seconds < 3
    assert "Is a server running there" not in message
    if protocol == "http":
        assert message.endswith("no answer in 1 s: the server took longer than --timeout lets it; is it overloaded?")


@PROTOCOLS
@pytest.mark.parametrize("variable", [*VARIABLES[:4], *(name.upper() for name in VARIABLES[:4])])
def test_a_proxy_is_never_asked_for_this_host(
    closed: str, protocol: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostileServer(sending(response(b"", "403 Forbidden"))) as proxy:
        monkeypatch.setenv(variable, f"http://{proxy.url}")
        for host in ("127.0.0.1", "localhost"):
            message, _ = failure(closed.replace("127.0.0.1", host), protocol)
            assert "refused" in message.lower()
            assert "proxy" not in message
    assert not proxy.requests


@PROTOCOLS
def test_a_proxy_in_the_way_is_named_without_its_password(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with HostileServer(sending(response(b"", "403 Forbidden"))) as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:secret@{proxy.url}")
        message, seconds = failure("triton.example:8000", protocol)
        monkeypatch.setenv("no_proxy", "other.example,triton.example")
        assert proxy_for(protocol, "triton.example") is None
    assert f"The proxy {proxy.url} was asked, which $http_proxy names; name the host in $no_proxy" in message
    assert "secret" not in message
    assert seconds < 5
    wanted = {"http": b"GET http://triton.example:8000/v2 ", "grpc": b"CONNECT triton.example:8000 "}[protocol]
    assert proxy.requests[0].startswith(wanted)


@PROTOCOLS
def test_a_proxy_that_is_away_is_named(closed: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", closed)  # without a scheme, as many have it
    message, seconds = failure("triton.example:8000", protocol)
    assert f"The proxy {closed} was asked" in message
    assert seconds < 5


def test_each_protocol_has_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "http://all:1")
    for protocol in ("http", "https", "grpc"):
        found = proxy_for(protocol, "triton.example")
        assert found is not None
        assert (found.url, found.variable) == ("http://all:1", "all_proxy")
    monkeypatch.setenv("https_proxy", "http://tls:1")
    every = [proxy_for(protocol, "triton.example") for protocol in ("http", "https", "grpc")]
    assert [one.variable for one in every if one] == ["all_proxy", "https_proxy", "https_proxy"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True), ("LOCALHOST", True), ("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True),
        ("localhost.example", False), ("10.0.0.1", False), ("127.0.0.1.example", False), ("[::2]", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_this_host(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.fixture
def half() -> Iterator[HostileServer]:
    """Hangs up in the middle of its answer."""
    with HostileServer(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as server:
        yield server


def test_half_an_answer_is_no_answer(half: HostileServer) -> None:
    transport = open_transport(half.url, Connection("http", deadline=5))
    with pytest.raises(ServerUnavailableError):
        transport.server()
    transport.close()
