"""Text that people bring, and text that is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import lines, printable, read_lines

# What `str.splitlines` also splits at.
INNER = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\nb\n", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\r\n\r\nb", ["a", "", "b"]),
        ("a\rb\n", ["a\rb"]),
        (f"a{INNER}b\nc", [f"a{INNER}b", "c"]),
    ],
)
def test_lines_end_at_a_line_feed_alone(text: str, expected: list[str], tmp_path: Path) -> None:
    assert lines(text) == expected
    path = tmp_path / "text"
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_bytes(text.encode(encoding))
        assert read_lines(path) == expected


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes("tabby\n".encode("utf-16"))
    with pytest.raises(UsageError, match="labels is not UTF-8 text: byte 0xff at 0"):
        read_lines(path)
    for missing in (tmp_path / "missing", tmp_path):
        with pytest.raises(UsageError, match="cannot be read: "):
            read_lines(missing)


def test_printable_shows_what_a_terminal_must_not_get() -> None:
    assert printable("a\x1b[31m\n\udce9\u2028 日本") == r"a\x1b[31m\n\xe9\u2028 日本"
