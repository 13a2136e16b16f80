"""What the words of `export` may be, where no other verb has such words."""

import argparse
import re

from tritonrepo.cli.arguments import word
from tritonrepo.export.options import LIBRARIES
from tritonrepo.repository.formats import FORMATS, Format


def model(text: str) -> str:
    """A type: as `word`; what follows the name of a library may be an absolute path, as in `hf:/srv/my-vit`."""
    library, _, name = text.partition(":")
    return text if library in LIBRARIES and not name.startswith("//") else word(text)


def formats(text: str) -> tuple[Format, ...]:
    """A type: formats by their names, separated by commas; each once."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"unknown format {', '.join(unknown) or text!r}; known: {', '.join(FORMATS)}")
    return tuple(FORMATS[name] for name in dict.fromkeys(names))


def compute_capability(text: str) -> str:
    """A type: the compute capability of a GPU."""
    if not re.fullmatch(r"\d{1,2}\.\d", text):
        raise argparse.ArgumentTypeError(f"{text!r}: give it as in 8.9")
    return text
