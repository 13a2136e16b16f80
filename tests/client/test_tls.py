"""What is wrong between the server's TLS and ours: in words, alike on both protocols."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tritonrepo.client.connection import Connection, Tls
from tritonrepo.client.errors import ServerUnavailableError
from tritonrepo.client.transport import open_transport

PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "http"])
YESTERDAY = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> Tls:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return Tls(tmp_path / "ca.pem")


@contextmanager
def listening(context: ssl.SSLContext) -> Iterator[int]:
    """A port where each connection gets its handshake and nothing more."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            plain.settimeout(5)
            with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def serving(issued: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(context)
    return context


def complaint(port: int, protocol: str, tls: Tls, host: str = "localhost") -> str:
    """The last line of what a client says, which it says at once."""
    transport = open_transport(f"{host}:{port}", Connection(protocol, deadline=20, tls=tls))
    begin = time.monotonic()
    with pytest.raises(ServerUnavailableError) as caught:
        transport.server()
    assert time.monotonic() - begin < 10
    transport.close()
    return str(caught.value).splitlines()[-1]


@PROTOCOLS
def test_a_certificate_for_another_host(authority: trustme.CA, tls: Tls, protocol: str) -> None:
    with listening(serving(authority.issue_cert("triton.example"))) as port:
        said = complaint(port, protocol, tls)
        assert "certificate is not valid for 'localhost'" in said
        assert "certificate is not valid for '127.0.0.1'" in complaint(port, protocol, tls, "127.0.0.1")
    assert said.startswith("The server's certificate was refused: ")


@PROTOCOLS
def test_an_expired_certificate(authority: trustme.CA, tls: Tls, protocol: str) -> None:
    expired = authority.issue_cert("localhost", not_before=YESTERDAY.replace(year=2020), not_after=YESTERDAY)
    with listening(serving(expired)) as port:
        said = complaint(port, protocol, tls)
    assert said == (
        f"The server's certificate was refused: certificate has expired (judged by the authorities in {tls.ca})."
    )


@PROTOCOLS
def test_an_authority_that_we_do_not_know(tls: Tls, protocol: str) -> None:
    with listening(serving(trustme.CA().issue_cert("localhost"))) as port:
        assert "issuer certificate" in complaint(port, protocol, tls)
        assert "the system's authorities; name others with --ca" in complaint(port, protocol, Tls())


@PROTOCOLS
def test_a_certificate_that_signed_itself(tls: Tls, tmp_path: Path, protocol: str) -> None:
    alone = trustme.CA()
    alone.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    alone.cert_pem.write_to_path(str(tmp_path / "alone.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "alone.pem", tmp_path / "key.pem")
    with listening(context) as port:
        assert "self-signed certificate" in complaint(port, protocol, tls).replace("self signed", "self-signed")


@PROTOCOLS
def test_a_server_that_asks_for_our_certificate(authority: trustme.CA, tls: Tls, protocol: str) -> None:
    context = serving(authority.issue_cert("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with listening(context) as port:
        assert complaint(port, protocol, tls) == "The server asks for a client's certificate: give --cert and --key."
