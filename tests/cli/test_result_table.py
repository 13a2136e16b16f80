"""An image's block on the terminal: bars, scores, errors, and names that are hostile to it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import RenderableType

from tritonrepo.cli import terminal
from tritonrepo.cli.result_table import as_table
from tritonrepo.client.decode import Prediction
from tritonrepo.client.results import Result

CAT = Result(
    "cat.jpg",
    "net_onnx",
    "2",
    (Prediction(285, "Egyptian cat", 0.75, 4.0), Prediction(281, "tabby, tabby cat", 0.25, 3.0)),
)
TORN = Result("torn\x1b[31m.jpg", "net_onnx", error="damaged image")


def shown(renderable: RenderableType, width: int = 100) -> str:
    """What standard output's console makes of it."""
    console = terminal.console(width)
    console.file = io.StringIO()
    console.print(renderable)
    return console.file.getvalue()


def test_bars_are_as_long_as_the_probabilities() -> None:
    _, first, second = shown(as_table(CAT)).splitlines()
    assert "75.00%" in first
    assert first.count("█") == 22
    assert second.count("█") == 7


def test_a_terminal_gets_no_control_characters_and_no_line_too_long() -> None:
    long = Result("x", "net", "1", (Prediction(0, "a very " + "long " * 30 + "label", 1.0, 1.0),))
    assert "\x1b" not in shown(as_table(TORN))
    assert max(map(len, shown(as_table(long), 80).splitlines())) <= 80


def test_without_a_probability_there_is_a_score() -> None:
    scored = Result("cat.jpg", "net_onnx", "2", (Prediction(285, "Egyptian cat", None, 4.0),))
    assert shown(as_table(scored)).split()[-1] == "4"


@pytest.mark.parametrize("name", [":boom:", "[red]x[/red]", "[/]", "[link=file:///etc]x", ":smiley:[b]"])
def test_names_are_no_markup_and_no_emoji(name: str) -> None:
    block = shown(as_table(Result(name, name, "1", (Prediction(0, name, 1.0, 1.0),))))
    assert block.count(name) == 2
    assert shown(as_table(Result(name, name, error=name))) == f"{name}\n  error: {name}\n"


def test_several_classes_are_shown_as_such_and_none_is_said() -> None:
    both = replace(CAT, scores="independent")
    assert shown(as_table(both)).splitlines()[0] == "cat.jpg  each class by itself"
    assert shown(as_table(replace(both, predictions=()))).splitlines()[1] == "  no class reaches the threshold"
    assert "each class" not in shown(as_table(CAT))
