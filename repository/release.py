"""The Triton release that is to serve what is published."""

import re
from pathlib import Path

from tritonrepo.client.errors import UsageError
from tritonrepo.client.install import checkout

TRITON_RELEASE = "26.11"
"""What this version is made for. In a checkout, .env pins it for the containers too and has the last word."""


def pinned_release() -> str:
    """The release that is to serve: the one of the checkout's .env, or this version's own. Raises `UsageError`."""
    root = checkout()
    return read_release(root / ".env") if root else TRITON_RELEASE


def read_release(dot_env: Path) -> str:
    """The release that a file of environment variables pins, or this version's own if there is no such file.

    Raises:
        UsageError: The file names no release.
    """
    if not dot_env.is_file():
        return TRITON_RELEASE
    found = re.search(r"^TRITON_RELEASE=(\d\d\.\d\d)\s*$", dot_env.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise UsageError(f"{dot_env}: pins no TRITON_RELEASE; name the release with --triton-release YY.MM")
    return found[1]


def check_release(release: str) -> None:
    """Raise `UsageError` unless `release` is written as in `26.07`."""
    if not re.fullmatch(r"\d\d\.(0[1-9]|1[0-2])", release, re.ASCII):
        raise UsageError(f"--triton-release {release!r}: name a release as YY.MM, such as 26.07")
