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

ROOT = Path(__file__).parents[2]
OLD = json.loads((Path(__file__).parent / "data" / "old_options.json").read_text())
"""By command, each option as its help named it before there was `tritonrepo`."""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def options(help_: str) -> dict[str, str]:
    """Option -> what it takes, of a help text."""
    return dict(re.findall(r"^  (?:-\w, )?(--[^ \n]+) ?([^ \n]*)", help_, re.MULTILINE))


@pytest.mark.parametrize("words", OLD)
def test_every_option_that_was_there_is_there(words: str) -> None:
    done = run(*words.split(), "--help")
    assert done.returncode == 0, done.stderr
    now = options(done.stdout)
    before = dict(option.partition(" ")[::2] for option in OLD[words])
    assert before.keys() <= now.keys()
    for option, value in before.items():
        # Choices may be added; a value keeps its name.
        assert words_of(value) <= words_of(now[option]), option


def words_of(value: str) -> set[str]:
    """The choices in what an option takes."""
    return set(re.split(r"[,|]", value.strip("{}")))


@pytest.mark.parametrize("words", OLD)
def test_no_option_may_be_shortened_and_the_version_is_not_an_export(words: str, tmp_path: Path) -> None:
    asked = run(*words.split(), "--version")
    assert (asked.returncode, asked.stdout) == (0, f"tritonrepo {__version__}\n")
    shortened = OLD[words][-1].partition(" ")[0][:-2]
    refused = run(*words.split(), shortened, str(tmp_path / "never"))
    assert refused.returncode == 2
    assert shortened in refused.stderr
    assert not list(tmp_path.iterdir())
