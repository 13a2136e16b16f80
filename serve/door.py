"""Where a server may be reached from, and with which encryption."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from tritonrepo.client.errors import UsageError
from tritonrepo.serve.ports import ADDRESS


@dataclass(frozen=True)
class Door:
    """The address of HTTP and gRPC. The metrics and the supervisor stay on loopback.

    Attributes:
        host: An address of this host, or a name of it; `0.0.0.0` and `::` are all of them.
        certificate: PEM, with the chain, for TLS over both protocols. None: no TLS.
        key: PEM, of the certificate, without a passphrase.

    Raises:
        UsageError: One of certificate and key is missing.
    """

    host: str = ADDRESS
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise UsageError("TLS takes both, a certificate and its key: --cert FILE --key FILE")

    @property
    def local(self) -> bool:
        """Whether this host alone can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def within(self) -> str:
        """The address under which this host reaches it."""
        return ADDRESS if self.host in ("0.0.0.0", "localhost") else "::1" if self.host == "::" else self.host

    def check(self, knows: bool) -> None:
        """Refuse what opens the server to a network in the clear, unless somebody says that he knows.

        Raises:
            UsageError: It does.
        """
        if not (self.local or self.certificate or knows):
            raise UsageError(
                f"--host {self.host} lets everybody who reaches it send requests and read pictures and answers on the "
                "way, and tritonserver 2.51 has known faults that such requests may use (SECURITY.md). Give --cert and "
                "--key for TLS, put a gateway in front, or say --i-know"
            )

    def context(self) -> ssl.SSLContext | None:
        """What HTTP encrypts with; None without TLS.

        Raises:
            UsageError: A file cannot be read, or they do not belong together.
        """
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # A key with a passphrase would ask for it on the terminal.
            context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except (ssl.SSLError, OSError) as error:
            raise UsageError(f"TLS: {self.certificate} and {self.key} are no PEM pair: {error}") from None
        return context

    def grpc_words(self) -> list[str]:
        """The words of tritonserver's command line for gRPC."""
        words = [f"--grpc-address={self.host}"]
        if self.certificate and self.key:
            words += [
                "--grpc-use-ssl=true",
                f"--grpc-server-cert={self.certificate.resolve()}",
                f"--grpc-server-key={self.key.resolve()}",
            ]
        return words
