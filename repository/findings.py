"""What an examination finds: of a repository, of one artifact in it, or of this machine."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "fail"]

AGAIN = "export it again"
IN_IMAGE = "build it in the image that serves: make export-gpu, in a checkout"


@dataclass(frozen=True)
class Fault:
    """What is wrong with one artifact.

    Attributes:
        text: What is wrong.
        remedy: What mends it.
        level: Only `fail` means that the artifact would not load.
    """

    text: str
    remedy: str = AGAIN
    level: Level = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of an examination.

    Attributes:
        level: Only `fail` means that something would not load.
        subject: What the line is about: a model, a version of it, a package.
        text: How it stands.
        remedy: What mends it; empty where there is nothing to mend.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ""
