"""Fingerprints of files."""

import hashlib
from pathlib import Path

_READ_SIZE = 1 << 20


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes. Raises `OSError`."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_SIZE):
            digest.update(chunk)
    return digest.hexdigest()
