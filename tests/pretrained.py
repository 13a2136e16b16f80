"""What the long commands share: the pretrained EfficientNet-Lite0 in a repository, and a table of what was seen."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

MODEL = "efficientnet_lite0_onnx"
FACTORY = "examples/efficientnet_lite0.py:efficientnet_lite0"


def export_pretrained(root: Path, *options: str) -> None:
    """Export it as ONNX into the repository `root`."""
    words = ("export", "--model", FACTORY, "--formats", "onnx", "--repository", str(root), *options)
    subprocess.run([sys.executable, "-m", "tritonrepo", *words], check=True)


def table(rows: Iterable[tuple[str, str]]) -> str:
    """A table of Markdown: what, and what was seen of it."""
    return "\n".join(["| what | seen |", "| --- | --- |", *(f"| {what} | {seen} |" for what, seen in rows)])
