"""Azure Blob Storage on loopback: Azurite, Microsoft's own emulator, which npm installs (`make stores`).

    python -m tests.azurite COMMAND…

runs a command where Azurite is Azure: Triton's client asks no other address.
"""

import hmac
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlsplit

from tritonrepo.repository.store.address import Address
from tritonrepo.serve.ports import reserve_ports

PROGRAM = "AZURITE"
"""The word of the environment that says where Azurite is, if not where `make stores` installs it."""
INSTALLED = Path(__file__).parent.parent / ".stores/node_modules/.bin/azurite-blob"
ENDPOINT = "AZURE_STORAGE_ENDPOINT"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""That of every Azurite: its documentation has it."""
CREDENTIALS = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": KEY}
VERSION = "2021-08-06"
"""Of the protocol."""
START_SECONDS = 60.0
DISGUISED = "AZURE_DISGUISED"
"""The word of the environment that says where the certificate is."""
HOST = f"{ACCOUNT}.blob.core.windows.net"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian has those that are trusted, and Triton's client looks for them."""
_NAMESPACES = """
ip link set lo up
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/authorities.pem" "$2"
export SSL_CERT_FILE="$2" AZURE_DISGUISED="$1"
shift 2
exec "$@"
"""


@contextmanager
def azure_store(log: Path) -> Iterator[str]:
    """Run one while the block runs; yields its address, in the namespaces of `disguise` Azure's own."""
    if place := os.environ.get(DISGUISED):
        port, url, words = 443, f"https://{HOST}", ["--cert", f"{place}/azure.pem", "--key", f"{place}/azure.key"]
    else:
        port, words = reserve_ports((0, 0, 0))[0], []
        url = f"http://127.0.0.1:{port}/{ACCOUNT}"
    words += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    words += ["--inMemoryPersistence", "--silent", "--disableTelemetry"]
    with log.open("w") as output:
        process = subprocess.Popen([os.environ.get(PROGRAM, str(INSTALLED)), *words], stdout=output)
    try:
        _await(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def environment(endpoint: str) -> dict[str, str]:
    """By which Triton's client and ours find it and are let in; Triton's knows Azure's own address alone."""
    return CREDENTIALS | ({ENDPOINT: endpoint} if endpoint.startswith("http://") else {})


def disguise(place: Path, words: Sequence[str]) -> list[str]:
    """The command that runs `words` where Azure's address is one on loopback, and the certificate for it is trusted.

    Nothing else is seen of the network there, and nobody outside sees any of it.

    Args:
        place: A directory, which gets the certificate.
        words: The command.
    """
    import trustme  # Here, since tests in an environment with less read this module too.

    from tests.certificates import write_pair

    authority = trustme.CA()
    write_pair(authority, place, "azure", HOST)
    (place / "hosts").write_text(f"127.0.0.1 localhost {HOST}\n")
    (place / "authorities.pem").write_bytes(authority.cert_pem.bytes())
    shell = ["sh", "-ec", _NAMESPACES, "sh", str(place), AUTHORITIES]
    return ["unshare", "--user", "--map-root-user", "--net", "--mount", *shell, *words]


def make_container(endpoint: str, name: str) -> Address:
    """A new container; a repository in it has a prefix."""
    date = formatdate(usegmt=True)
    lines = ["PUT", *[""] * 11, f"x-ms-date:{date}", f"x-ms-version:{VERSION}"]
    lines += [f"/{ACCOUNT}{urlsplit(endpoint).path}/{name}", "restype:container"]
    signature = hmac.digest(b64decode(KEY), "\n".join(lines).encode(), "sha256")
    headers = {"x-ms-date": date, "x-ms-version": VERSION}
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{b64encode(signature).decode()}"
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", method="PUT", headers=headers)
    urllib.request.urlopen(request, timeout=10).close()
    return Address("as", name, "prod/models", endpoint if endpoint.startswith("http://") else "", ACCOUNT)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError as answer:  # nothing is at the root
            answer.close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError(f"the object store did not answer at {url}")


def main() -> int:
    """Run the command."""
    with tempfile.TemporaryDirectory() as place:
        return subprocess.run(disguise(Path(place), sys.argv[1:]), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
