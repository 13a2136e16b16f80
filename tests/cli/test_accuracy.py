"""The tables of `evaluate`: figures, and names that are hostile to a terminal."""

from __future__ import annotations

import io

import pytest
from rich.table import Table

from tritonrepo.cli import terminal
from tritonrepo.cli.accuracy import accuracy_table, confusion_table, mistake_table
from tritonrepo.client.evaluate import Outcome, Score


def shown(table: Table) -> str:
    console = terminal.console()
    console.file = io.StringIO()
    console.print(table)
    return console.file.getvalue()


def score(image: str = "a.png") -> Score:
    """Three images: one right, one taken for class 1 with 87.5%, one torn."""
    found = Score()
    found.add(Outcome("b.png", "net", truth=0, predicted=0, probability=0.5, rank=1))
    found.add(Outcome(image, "net", truth=0, predicted=1, probability=0.875, rank=2))
    found.add(Outcome("torn.png", "net", truth=0, error="torn"))
    return found


def test_accuracy_has_its_interval() -> None:
    row = shown(accuracy_table({"net": score(), "none": Score()}))
    assert "50.00% (9.45% to 90.55%)" in row
    assert "100.00% (34.24% to 100.00%)" in row
    assert [line.split("│")[1:4] for line in row.splitlines() if "none" in line] == [
        [" none  ", f"{'- ':>26}", f"{'- ':>29}"]
    ]


def test_mistakes_are_listed() -> None:
    assert "87.5%" in shown(mistake_table("net", score(), ("ant", "bee")))
    assert [cell.strip() for cell in shown(confusion_table("net", score(), ("ant", "bee"))).splitlines()[4].split("│")][
        1:4
    ] == ["ant", "bee", "1"]


@pytest.mark.parametrize("name", [":boom:", "[red]x[/red]", "[/]", "\x1b[31m"])
def test_names_are_no_markup_no_emoji_and_no_escapes(name: str) -> None:
    plain = name.replace("\x1b", r"\x1b")
    assert shown(accuracy_table({name: score()})).count(plain) == 1
    assert shown(mistake_table(name, score(name), (name, name))).count(plain) == 4
    assert shown(confusion_table(name, score(), (name, name))).count(plain) == 3
