"""`python -m export | serve | client …` in a checkout: the words from before `tritonrepo` was one command."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from tritonrepo.cli.main import run_in_checkout

assert __spec__ is not None
run_in_checkout(__spec__.parent or "")
