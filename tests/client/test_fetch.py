"""Images by URL: bounds of time and size, and where a redirect may lead."""

from __future__ import annotations

import socket
import time
import tracemalloc

import pytest

from tests.fuzz.hostile import HostileServer, Script, bomb, response, sending, trickling
from tritonrepo.client.deadline import connect, within
from tritonrepo.client.errors import ImageError
from tritonrepo.client.fetch import fetch
from tritonrepo.client.networks import is_public

PICTURE = response(b"picture", Content_Type="image/png")


def silent(connection: socket.socket, head: bytes) -> None:
    """Say nothing until the other side has had enough."""
    while connection.recv(1):
        pass


@pytest.mark.parametrize("slow", ["headers", "body", "nothing"])
def test_the_deadline_is_for_all_of_it(slow: str) -> None:
    with HostileServer(silent) as server:
        data = {"headers": b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 100, "body": response(bytes(1000))}
        if slow in data:
            server.script = trickling(data[slow], lambda: server.stopped)
        begin = time.monotonic()
        with pytest.raises(ImageError, match=r"not fetched within 0\.5 s"):
            fetch(f"http://{server.url}/x.png", deadline=0.5)
        assert 0.4 < time.monotonic() - begin < 2


def test_the_deadline_is_for_all_redirects_together() -> None:
    with HostileServer(silent) as server:
        again = response(b"", "302 Found", Location="/again")
        server.script = trickling(again, lambda: server.stopped, 0.004)
        begin = time.monotonic()
        with pytest.raises(ImageError, match=r"not fetched within 2 s"):
            fetch(f"http://{server.url}/x.png", deadline=2.0)
        assert time.monotonic() - begin < 4
        assert len(server.requests) > 1


def test_a_handshake_that_is_not_answered_meets_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begin = time.monotonic()
        with pytest.raises(ImageError, match=r"not fetched within 0\.5 s"):
            fetch(f"https://127.0.0.1:{listener.getsockname()[1]}/x.png", deadline=0.5)
        assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (sending(b""), "not fetched: "),
        (sending(b"HTTP/1.1 200 OK\r\nContent-Le"), "the server sent nothing"),
        (sending(b"SSH-2.0-x\r\n"), "not fetched: "),
        (sending(response(b"abc", Content_Length="1000")), "not fetched: "),
        (sending(response(b"<html>", Content_Type="text/html; charset=utf-8")), "the server sent text/html, not an"),
        (sending(response(b"", "302 Found", Location="http://[bad")), "not fetched: "),
        (sending(response(b"", "302 Found", Location="ftp://127.0.0.1/x")), "from http to ftp, which is not followed"),
        (sending(response(b"", "302 Found", Location="file:///etc/passwd")), "from http to file, which is not"),
        (sending(response(b"", "302 Found", Location="//me:secret@127.0.0.1/")), "holds a user name"),
        (sending(response(b"", "503 Busy\x1b[31m")), r"HTTP status 503: Busy\\x1b\[31m"),
    ],
)
def test_a_server_that_is_not_well_is_one_error(script: Script, reason: str) -> None:
    with HostileServer(script) as server, pytest.raises(ImageError, match=reason):
        fetch(f"http://{server.url}/x.png", deadline=5)


def test_the_size_is_counted_after_decompression() -> None:
    data = response(bomb(256 << 20), Content_Encoding="gzip", Content_Type="image/png")
    with HostileServer(sending(data)) as server:
        tracemalloc.start()
        with pytest.raises(ImageError, match="more than the limit of 1,048,576 bytes"):
            fetch(f"http://{server.url}/x.png", limit=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


def test_credentials_in_an_address_are_refused_rather_than_dropped() -> None:
    with pytest.raises(ImageError) as caught:
        fetch("http://me:secret@127.0.0.1:1/x.png")
    assert caught.value.reason == "the address holds a user name, which is not supported"


def test_a_redirect_within_what_was_asked_for_is_followed() -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        moved = response(b"", "302 Found", Location="/there?a=b")
        connection.sendall(PICTURE if b"GET /there?a=b " in head else moved)

    with HostileServer(script) as server:
        assert fetch(f"http://{server.url}/x.png") == b"picture"


@pytest.mark.parametrize("place", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "0x7f.1", "2130706433"])
def test_a_redirect_from_outside_may_not_lead_inside(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The proxy stands for the outside: it answers for a public name."""
    with HostileServer(sending(PICTURE)) as inside, HostileServer(sending(b"")) as proxy:
        proxy.script = sending(response(b"", "302 Found", Location=f"http://{place}:{inside.port}/secret"))
        monkeypatch.setenv("http_proxy", f"http://{proxy.url}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(ImageError, match=r"not a public address|does not appear to be"):
            fetch("http://pictures.example/x.png", deadline=5)
        assert not inside.requests
        assert len(proxy.requests) == 1
        proxy.script = sending(PICTURE)
        assert fetch("http://pictures.example/x.png#top", deadline=5) == b"picture"
        assert proxy.requests[-1].startswith(b"GET http://pictures.example/x.png HTTP/1.1")
        proxy.script = sending(b"")
        assert fetch(f"http://{inside.url}/x.png", deadline=5) == b"picture", "a proxy is never asked for this host"


def test_it_is_the_address_that_a_name_stands_for_which_is_judged() -> None:
    seen = []

    def refuse(address: str) -> None:
        seen.append(address)
        raise ImageError("no")

    with within(5, refuse), pytest.raises(ImageError):
        connect("localhost", 1)
    assert seen in (["127.0.0.1"], ["::1"])


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("fd00::1", False),
    ],
)
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) == public
