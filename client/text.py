"""Text that is safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text that is safe on a terminal and on one line: control characters and undecodable bytes as escapes."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in _legible(text)
    )


def _legible(text: str) -> str:
    """File names which are not UTF-8 reach us with lone surrogates, which cannot be printed."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
