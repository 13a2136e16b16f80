"""Fingerprints of files."""

import hashlib
from collections.abc import Collection
from pathlib import Path

_READ_SIZE = 1 << 20


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes. Raises `OSError`."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_SIZE):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_tree(root: Path, without: Collection[str] = ()) -> str:
    """The same of the names and bytes of all files in a directory. Raises `OSError`.

    Args:
        root: The directory.
        without: Names of files in it that do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        if (name := path.relative_to(root).as_posix()) not in without:
            digest.update(f"{name}\n{sha256(path)}\n".encode())
    return digest.hexdigest()
