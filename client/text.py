"""Text that people bring, read in one way, and text that is safe to show."""

from __future__ import annotations

import codecs
import re
import unicodedata
from pathlib import Path

from tritonrepo.client.errors import UsageError

BOM = "\ufeff"
# Two letters or more: C:/ is a drive. One slash or more: `Path` makes one of two, and MODEL.py:FACTORY has none.
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]+):/", re.IGNORECASE | re.ASCII)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, as `read_text` and `lines` have them.

    Raises:
        UsageError: As `read_text`.
    """
    return lines(read_text(path))


def read_text(path: Path, errors: str = "strict") -> str:
    """A text file that people brought: UTF-8, with a byte order mark or without.

    Args:
        path: The file.
        errors: As `bytes.decode` has it; "surrogateescape" for texts that hold file names.

    Raises:
        UsageError: The file cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise UsageError(f"{path} is UTF-16 text, not UTF-8 text; save it as UTF-8")
        return data.decode("utf-8", errors).removeprefix(BOM)
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"{path} is not UTF-8 text: byte {exc.object[exc.start]:#04x} at {exc.start:,}") from exc


def scheme_of(text: str) -> str:
    """The scheme of an address, such as https or s3, in lower case; empty where the text looks like a path."""
    found = _SCHEME.match(text)
    return found[1].lower() if found else ""


def lines(text: str) -> list[str]:
    r"""The lines of a text, which end at \n or \r\n; a byte order mark is no part of the first.

    `str.splitlines` also ends a line at U+2028, U+0085 and six others, which a label may hold.
    """
    found = [line.removesuffix("\r") for line in text.removeprefix(BOM).split("\n")]
    return found if found[-1] else found[:-1]


def clean_label(text: str) -> str:
    """A line of a label file, whoever wrote it and whatever read it: no byte order mark, no blanks around it."""
    return text.removeprefix(BOM).strip()


def same_name(text: str) -> str:
    """What two spellings of a name have in common: NFC for NFD, lower case, no blanks around it."""
    return unicodedata.normalize("NFC", clean_label(text)).lower()


def printable(text: str) -> str:
    """Text that is safe on a terminal and on one line: control characters and undecodable bytes as escapes."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in legible(text)
    )


def legible(text: str) -> str:
    """Text as UTF-8 can hold it: a file name that is not UTF-8 reaches us with lone surrogates, shown as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def counted(number: int, what: str) -> str:
    """A number and what it counts: `1 server`, `2 servers`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def first_line(exc: BaseException) -> str:
    """What an exception says, without what follows; the name of its class if it says nothing."""
    return (str(exc).strip() or type(exc).__name__).splitlines()[0]
