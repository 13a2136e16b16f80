"""How to install what is missing."""

from __future__ import annotations

import shlex
from pathlib import Path

import tritonrepo

DISTRIBUTION = "triton-repository-builder"


def checkout() -> Path | None:
    """The root of the checkout that this project runs from, or None where it was installed as a wheel."""
    root = Path(tritonrepo.__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else None


def install_command(extra: str) -> str:
    """The pip command that brings an extra of this project, as it is installed: from a checkout, or by its name."""
    root = checkout()
    if root:
        return f"pip install -e {shlex.quote(f'{root}[{extra}]')}"
    return f"pip install '{DISTRIBUTION}[{extra}]'"
