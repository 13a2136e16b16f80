"""Text that people bring, and text that is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import clean_label, lines, printable, read_lines, read_text, same_name

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
    with pytest.raises(UsageError, match="labels is UTF-16 text, not UTF-8 text; save it as UTF-8"):
        read_lines(path)
    path.write_bytes("tabby, caf\xe9\n".encode("latin-1"))
    with pytest.raises(UsageError, match="labels is not UTF-8 text: byte 0xe9 at 10"):
        read_lines(path)
    for missing in (tmp_path / "missing", tmp_path):
        with pytest.raises(UsageError, match="cannot be read: "):
            read_lines(missing)


def test_printable_shows_what_a_terminal_must_not_get() -> None:
    assert printable("a\x1b[31m\n\udce9\u2028 日本") == r"a\x1b[31m\n\xe9\u2028 日本"


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert lines("\ufeffa\nb") == ["a", "b"]
    assert clean_label("\ufeff tabby \r") == "tabby"
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfcaf\xe9")
    assert read_text(path, "surrogateescape") == "caf\udce9"


def test_two_spellings_are_one_name() -> None:
    assert same_name("Cafe\u0301 ") == same_name("caf\u00e9")
    assert same_name("A\u030angstro\u0308m") == same_name("\u00c5ngstr\u00f6m")
    assert same_name("caf\u00e9") != same_name("cafe")
