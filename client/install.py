"""How to install what is missing."""

from __future__ import annotations

import shlex
from pathlib import Path

import tritonrepo

DISTRIBUTION = "triton-repository-builder"


def install_command(extra: str) -> str:
    """The pip command that brings an extra of this project, as it is installed: from a checkout, or by its name."""
    checkout = Path(tritonrepo.__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return f"pip install -e {shlex.quote(f'{checkout}[{extra}]')}"
    return f"pip install '{DISTRIBUTION}[{extra}]'"
