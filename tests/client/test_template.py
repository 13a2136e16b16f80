"""Templates: escaped, safe to show, and strict."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from tritonrepo.client.template import contents, environment


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<b>&\"'", "&lt;b&gt;&amp;&#34;&#39;"),
        ("a\x1b[31m\n\udce9", r"a\x1b[31m\n\xe9"),
        (7, "7"),
        (ValueError("<\x00"), r"&lt;\x00"),
    ],
)
def test_a_value_is_escaped_and_printable(value: object, shown: str) -> None:
    template = environment("tritonrepo.client").from_string('<i title="{{ value }}">{{ value }}</i>')
    assert template.render(value=value) == f'<i title="{shown}">{shown}</i>'


def test_what_is_missing_is_no_empty_text() -> None:
    with pytest.raises(UndefinedError, match="'valeu' is undefined"):
        environment("tritonrepo.client").from_string("{{ valeu }}").render(value=1)


def test_a_style_goes_in_as_it_is() -> None:
    style = contents("tritonrepo.client", "gallery.css")
    assert "main .tc-card" in style
    template = environment("tritonrepo.client").from_string("<style>{{ style }}</style>")
    assert template.render(style=style) == f"<style>{style}</style>"
