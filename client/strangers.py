"""Files that people take for pictures and that no decoder here reads, by their first bytes."""

from __future__ import annotations

import re

HEAD = 1024
"""Bytes that tell."""
_KINDS = {
    "an SVG drawing": re.compile(rb"(\xef\xbb\xbf)?\s*(<[?!][^>]*>\s*)*<svg\b", re.IGNORECASE),
    "a PDF document": re.compile(rb"%PDF-"),
    "a PostScript document": re.compile(rb"%!PS"),
    "a HEIC picture": re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL),
    "a JPEG XL picture": re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
    "a Photoshop document": re.compile(rb"8BPS"),
}
_WEB_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html)\b", re.IGNORECASE)


def why_unreadable(head: bytes) -> str:
    """What to say of a file that no decoder knows, and what to do where that helps.

    Args:
        head: Its first bytes, at most HEAD.
    """
    if not head:
        return "empty file"
    if _WEB_PAGE.match(head):
        return "a web page, and no image"
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.match(head)), None)
    if kind is None:
        return "not an image in a known format"
    return f"{kind}, which is not read here; convert it to PNG or JPEG"
