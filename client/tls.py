"""TLS for both protocols: the user's files as a context, and why a server's handshake failed."""

from __future__ import annotations

import socket
import ssl

from tritonrepo.client.connection import Tls
from tritonrepo.client.errors import UsageError


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """Return the context that the files make.

    Raises:
        UsageError: One of them is no PEM file, or the key is not the certificate's.
    """
    try:
        context = ssl.create_default_context(cafile=None if tls.ca is None else str(tls.ca))
        if tls.certificate is not None:
            # A key with a passphrase would ask for it on the terminal.
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except (ssl.SSLError, OSError) as exc:
        raise UsageError(f"TLS: not a usable PEM file among {tls.ca}, {tls.certificate}, {tls.key}: {exc}") from exc
    return context


def complaint(host: str, port: int, tls: Tls, seconds: float) -> str:
    """Return a sentence on what is wrong between the server's TLS and ours; empty where nothing can be told."""
    try:
        with (
            socket.create_connection((host, port), seconds) as plain,
            ssl_context(tls).wrap_socket(plain, server_hostname=host) as connection,
        ):
            # With TLS 1.3 the server judges the client's certificate after the handshake, and says so by itself.
            connection.recv(1)
    except ssl.SSLCertVerificationError as exc:
        where = f"the authorities in {tls.ca}" if tls.ca else "the system's authorities; name others with --ca"
        return f"The server's certificate was refused: {exc.verify_message.rstrip('.')} (judged by {where})."
    except ssl.SSLError as exc:
        if "CERTIFICATE_REQUIRED" in str(exc.reason):
            return "The server asks for a client's certificate: give --cert and --key."
        if "UNKNOWN_CA" in str(exc.reason) or "CERTIFICATE" in str(exc.reason):
            return f"The server refused the client's certificate {tls.certificate}: {exc.reason}."
        return f"The TLS handshake failed: {exc.reason or exc.strerror}."
    except OSError:
        pass
    return ""
