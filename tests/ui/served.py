"""The running command, and a repository of networks that see a picture otherwise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.live.releases import LETTERS, MODEL, Release

LINES = 3
"""That the command writes."""
ROOT = Path(__file__).parents[2]
BRIGHT = Release(32, 0.5, LETTERS)
DARK = Release(32, 0.5, LETTERS, scale=-1.0)
"""Names last what `BRIGHT` names first."""


def write(repository: Path, name: str, release: Release, trained: bool = True) -> None:
    """One model with one version, as Triton reads it."""
    release.write(repository / name / "1" / "model.onnx")
    config = release.config().replace(f'"{MODEL}"', f'"{name}"')
    if not trained:
        config += 'parameters { key: "trained" value { string_value: "false" } }\n'
    (repository / name / "config.pbtxt").write_text(config)
    (repository / name / "labels.txt").write_text("".join(f"{label}\n" for label in release.labels))


@dataclass(frozen=True)
class Demo:
    """`tritonrepo demo-ui`, which a warning would end.

    Attributes:
        url: The page's.
        process: What serves it.
        directory: In which it runs.
    """

    url: str
    process: subprocess.Popen[str]
    directory: Path


@contextmanager
def running(directory: Path, *words: str) -> Iterator[Demo]:
    """The command in this directory, until the block ends."""
    command = [sys.executable, "-W", "error", "-m", "tritonrepo", "demo-ui", "--port", "0", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=directory, env=environment
    )
    try:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(LINES))
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found, said + process.communicate()[0]
        yield Demo(found[0], process, directory)
    finally:
        process.kill()
        process.communicate()
