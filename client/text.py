"""Text that people bring, read in one way, and text that is safe to show."""

from __future__ import annotations

from pathlib import Path

from tritonrepo.client.errors import UsageError


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, as `lines` has them.

    Raises:
        UsageError: The file cannot be read, or is not UTF-8.
    """
    try:
        return lines(path.read_bytes().decode("utf-8-sig"))
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"{path} is not UTF-8 text: byte {exc.object[exc.start]:#04x} at {exc.start:,}") from exc


def lines(text: str) -> list[str]:
    r"""The lines of a text, which end at \n or \r\n.

    `str.splitlines` also ends a line at U+2028, U+0085 and six others, which a label may hold.
    """
    found = [line.removesuffix("\r") for line in text.split("\n")]
    return found if found[-1] else found[:-1]


def printable(text: str) -> str:
    """Text that is safe on a terminal and on one line: control characters and undecodable bytes as escapes."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in _legible(text)
    )


def _legible(text: str) -> str:
    """File names which are not UTF-8 reach us with lone surrogates, which cannot be printed."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
