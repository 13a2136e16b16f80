"""Where a server may be reached from."""

from pathlib import Path

import pytest
import trustme

from tests.certificates import write_pair
from tritonrepo.client.errors import UsageError
from tritonrepo.serve.door import Door


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_needs_nothing(host: str) -> None:
    door = Door(host)
    assert door.local
    door.check(knows=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gpu1"])
def test_a_network_needs_tls_or_somebody_who_knows(host: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--host .*everybody who reaches it.*--i-know"):
        Door(host).check(knows=False)
    Door(host).check(knows=True)
    Door(host, tmp_path / "cert.pem", tmp_path / "key.pem").check(knows=False)


def test_a_certificate_without_a_key() -> None:
    with pytest.raises(UsageError, match="--cert FILE --key FILE"):
        Door(certificate=Path("cert.pem"))


def test_a_pair_makes_a_context(tmp_path: Path) -> None:
    certificate, key = write_pair(trustme.CA(), tmp_path, "server", "localhost")
    door = Door("gpu1", certificate, key)
    assert door.context() is not None
    assert door.grpc_words() == [
        "--grpc-address=gpu1",
        "--grpc-use-ssl=true",
        f"--grpc-server-cert={certificate}",
        f"--grpc-server-key={key}",
    ]
    assert Door().context() is None


@pytest.mark.parametrize("text", ["", "no PEM"])
def test_files_that_are_no_pair(tmp_path: Path, text: str) -> None:
    (tmp_path / "cert.pem").write_text(text)
    with pytest.raises(UsageError, match="are no PEM pair"):
        Door("gpu1", tmp_path / "cert.pem", tmp_path / "missing.pem").context()
