"""The words from before `tritonrepo` was one command: `python -m export | serve | client …` in a checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tritonrepo import __version__
from tritonrepo.cli.main import run_in_checkout

ROOT = Path(__file__).parents[2]
OLD = json.loads((Path(__file__).parent / "data" / "old_options.json").read_text())
"""By command, each option as its help named it before there was `tritonrepo`."""


@pytest.mark.parametrize("room", sorted({words.split()[0] for words in OLD}))
def test_python_finds_the_room_in_a_checkout(room: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", room, "--version"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"tritonrepo {__version__}\n"), done.stderr


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """What `python -m WORDS` does once Python has found the room; its exit status."""
    monkeypatch.setattr(sys, "argv", list(words))
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        run_in_checkout(words[0])
    return int(ended.value.code or 0)


def options(help_: str) -> dict[str, str]:
    """Option -> what it takes, of a help text."""
    return dict(re.findall(r"^  (?:-\w, )?(--[^ \n]+) ?([^ \n]*)", help_, re.MULTILINE))


@pytest.mark.parametrize("words", OLD)
def test_every_option_that_was_there_is_there(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words.split(), "--help") == 0
    now = options(capsys.readouterr().out)
    before = dict(option.partition(" ")[::2] for option in OLD[words])
    assert before.keys() <= now.keys()
    for option, value in before.items():
        # Choices may be added; a value keeps its name.
        assert words_of(value) <= words_of(now[option]), option


def words_of(value: str) -> set[str]:
    """The choices in what an option takes."""
    return set(re.split(r"[,|]", value.strip("{}")))


@pytest.mark.parametrize("words", OLD)
def test_no_option_may_be_shortened_and_the_version_is_not_an_export(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words.split(), "--version") == 0
    assert capsys.readouterr().out == f"tritonrepo {__version__}\n"
    shortened = OLD[words][-1].partition(" ")[0][:-2]
    assert run(monkeypatch, *words.split(), shortened, str(tmp_path / "never")) == 2
    assert shortened in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
