"""Certificates for tests, as PEM files."""

from pathlib import Path

import trustme


def write_pair(authority: trustme.CA, directory: Path, name: str, *identities: str) -> tuple[Path, Path]:
    """Let the authority sign for the identities; the files of the certificate, with its chain, and of its key."""
    issued = authority.issue_cert(*identities)
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    issued.private_key_pem.write_to_path(str(key))
    certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    return certificate, key
