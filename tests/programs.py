"""Programs beside Python that tests run."""

import shutil

import pytest


def require(program: str) -> str:
    """The path of a program; fails, and says how to install it, where it is not here."""
    path = shutil.which(program)
    if path is None:
        pytest.fail(f"{program} is not here; install what the tests use with: make system-packages")
    return path
