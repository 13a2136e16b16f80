"""labels.txt: one label a line, in the order of the logits."""

from collections.abc import Sequence
from pathlib import Path


def to_text(labels: Sequence[str]) -> str:
    """What labels.txt holds."""
    return "".join(f"{label}\n" for label in labels)


def count_labels(path: Path) -> int:
    """How many labels Triton finds in a file: it reads lines with C++'s getline. Raises `OSError`."""
    content = path.read_bytes()
    return len(content.removesuffix(b"\n").split(b"\n")) if content else 0


def from_text(text: str) -> tuple[str, ...]:
    """The labels, as `to_text` wrote them."""
    return tuple(text.removesuffix("\n").split("\n")) if text else ()
