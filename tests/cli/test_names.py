"""No module has two names: in a checkout the rooms lie at the top level, and none of their modules is found there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("batch", "cli", "client", "compare", "export", "repository", "serve", "ui")

# Run with the checkout as working directory, so that `import client` finds the folder. Prints a line for each fault.
SCRIPT = """
import importlib.util, sys

def found(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False

for name in sys.argv[1:]:
    if found(name):
        print(f"{name} can be imported beside tritonrepo.{name}")
    if not found(f"tritonrepo.{name}"):
        print(f"tritonrepo.{name} is not found")
"""


def modules() -> list[str]:
    """Every module of the rooms, as `room.module`."""
    paths = (path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    # `cli/checkout` is what makes `python -m client` work, and the backends are Triton's to load, by their files.
    kept = (path for path in paths if path.parts[:2] not in (("cli", "checkout"), ("serve", "backends")))
    return [".".join(path.with_suffix("").parts) for path in kept if path.name != "__init__.py"]


def test_every_module_has_one_name() -> None:
    names = modules()
    assert {name.partition(".")[0] for name in names} == set(ROOMS)
    command = [sys.executable, "-c", SCRIPT, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == []
