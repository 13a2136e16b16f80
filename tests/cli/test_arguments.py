"""Types of words, and what the groups of options mean to the library."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tritonrepo.cli import arguments
from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import Options


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (arguments.COUNT, "1000000", 1_000_000),
        (arguments.COUNT_OR_NONE, "0", 0),
        (arguments.whole_number(-2, 2), "-2", -2),
        (arguments.whole_numbers, "1, 8,32", [1, 8, 32]),
        (arguments.positive_number, "inf", math.inf),
        (arguments.positive_numbers, "0.5,2", [0.5, 2.0]),
        (arguments.seconds, "0.5", 0.5),
        (arguments.patience, "0", 0.0),
        (arguments.patience, "inf", math.inf),
        (arguments.share, "5%", 0.05),
        (arguments.share, "0.05", 0.05),
        (arguments.share_or_all, "100%", 1.0),
        (arguments.share_or_all, "0", 0.0),
    ],
)
def test_a_word_becomes_its_value(type_: Callable[[str], object], text: str, value: object) -> None:
    assert type_(text) == value


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (arguments.COUNT, "0"),
        (arguments.COUNT, "1.0"),
        (arguments.COUNT, "٣"),
        (arguments.COUNT, "1_0"),
        (arguments.COUNT, "9" * 5000),
        (arguments.whole_numbers, "1,,2"),
        (arguments.whole_numbers, "0"),
        (arguments.positive_number, "0"),
        (arguments.positive_number, "nan"),
        (arguments.positive_numbers, "1,x"),
        (arguments.seconds, "inf"),
        (arguments.seconds, "1000001"),
        (arguments.patience, "-0.1"),
        (arguments.share, "100%"),
        (arguments.share, "-1%"),
        (arguments.share, "%"),
        (arguments.share_or_all, "1.01"),
        (arguments.share_or_all, "nan"),
    ],
)
def test_another_word_is_refused_and_named(type_: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give "):
        type_(text)


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    arguments.add_pipeline_options(parser)
    arguments.add_connection_options(parser)
    return parser.parse_args(words)


def test_without_words_everything_is_the_librarys_default() -> None:
    assert arguments.options(parsed()) == Options()
    connection = arguments.connection(parsed())
    assert (connection.protocol, connection.tls, connection.deadline) == ("grpc", None, 60.0)
    assert dict(connection.headers) == {}


@pytest.mark.parametrize(
    ("words", "protocol", "secure"),
    [
        (["--url", "http://a:1,b:2"], "http", False),
        (["--url", "https://a:1"], "http", True),
        (["--url", "a:1", "--protocol", "http", "--tls"], "http", True),
        (["--url", "grpcs://a:1"], "grpc", True),
    ],
)
def test_the_address_says_protocol_and_tls_where_no_option_does(words: list[str], protocol: str, secure: bool) -> None:
    connection = arguments.connection(parsed(*words))
    assert (connection.protocol, connection.tls is not None) == (protocol, secure)


def test_headers_that_an_editor_saved_are_read(tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_bytes(b"\xef\xbb\xbfX-Key: fine\r\n  # a comment\r\n\r\nX-Other: too \r\n")
    found = arguments.connection(parsed("--headers", str(headers))).headers
    assert found == {"X-Key": "fine", "X-Other": "too"}


@pytest.mark.parametrize("line", ["secret", ": secret", "näme: secret"])
def test_a_header_that_is_none_is_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    headers = tmp_path / "headers"
    headers.write_text(f"X-Key: fine\n{line}\n")
    with pytest.raises(UsageError) as caught:
        arguments.connection(parsed("--headers", str(headers)))
    assert "secret" not in str(caught.value)
