"""The command itself: verbs, help, wrong words, and what each kind of failure ends with."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tritonrepo import __version__
from tritonrepo.cli import classify
from tritonrepo.cli.main import VERBS, main, parser
from tritonrepo.client.errors import ContractError, ImageError, ServerUnavailableError, TritonRepoError, UsageError


def run(*words: str) -> int:
    """The exit status, argparse's too."""
    try:
        return main(words)
    except SystemExit as exc:
        return int(exc.code or 0)


@pytest.mark.parametrize("verb", [(), *((verb,) for verb in VERBS)])
def test_every_verb_knows_its_version_and_takes_no_abbreviation(
    verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*verb, "--version") == 0
    assert capsys.readouterr().out == f"tritonrepo {__version__}\n"
    for shortened in ("--vers", "--hel", "--form", "--repos", "--ur"):
        assert run(*verb, shortened) == 2
        assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_its_place_in_the_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    shown = capsys.readouterr().out
    found = parser("tritonrepo", (verb,), (verb,))._subparsers
    assert found is not None
    (choices,) = (action.choices for action in found._group_actions)
    assert isinstance(choices, dict)
    for action in choices[verb]._actions:
        assert all(option in shown for option in action.option_strings)


def test_without_words_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(f"\n    {verb}" in captured.err for verb in VERBS)
    assert run("--help") == 0
    assert capsys.readouterr().out == captured.err


def test_an_unknown_verb_lists_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("clasify") == 2
    err = capsys.readouterr().err
    assert "invalid choice: 'clasify'" in err
    assert all(verb in err for verb in VERBS)
    assert "tritonrepo --help" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("classify x --top 0", "argument --top: '0': give a whole number from 1 to 1000000"),
        ("classify x --top 1.5", "argument --top: '1.5': give a whole number"),
        ("classify x --batch-size -1", "argument --batch-size: '-1': give a whole number from 1"),
        ("classify x --concurrency 0", "argument --concurrency: '0': give a whole number from 1"),
        ("classify x --workers x", "argument --workers: 'x': give a whole number from 1"),
        ("classify x --timeout 0", "argument --timeout: '0': give seconds above 0"),
        ("classify x --timeout nan", "argument --timeout: 'nan': give seconds above 0"),
        ("classify x --timeout inf", "argument --timeout: 'inf': give seconds above 0, at most 1,000,000"),
        ("classify x --patience -1", "argument --patience: '-1': give seconds from 0"),
        ("classify x --patience nan", "argument --patience: 'nan': give seconds from 0"),
        ("classify x --format xml", "argument --format: invalid choice: 'xml'"),
        ("classify", "the following arguments are required: IMAGE|DIR|PATTERN|URL"),
        ("evaluate x --worst", "argument --worst: expected one argument"),
        ("evaluate x --worst -1", "argument --worst: '-1': give a whole number from 0"),
        ("evaluate x --min-top1 nan", "argument --min-top1: 'nan': give a share from 0 to 1"),
        ("evaluate x --min-top1 7", "argument --min-top1: '7': give a share from 0 to 1"),
        ("evaluate x --min-top1 101%", "argument --min-top1: '101%': give a share from 0 to 1"),
        ("completion ksh", "argument shell: invalid choice: 'ksh'"),
    ],
)
def test_a_wrong_value_is_named_with_its_option(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words.split()) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {sentence}")
    assert err.count("\n") == 2
    assert f"tritonrepo {words.split()[0]} --help" in err


HOSTILE = ":boom:[red]x[/red]\x1b[31m\udce9\u2028[/]"


def test_what_people_name_is_shown_as_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in ((HOSTILE,), ("classify", "x", f"--{HOSTILE}"), ("classify", "x", "--labels", HOSTILE)):
        assert run(*words) == 2
        err = capsys.readouterr().err
        assert ":boom:[red]x[/red]" in err
        assert not {"\x1b", "\u2028", "💥"} & set(err)


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (TritonRepoError("some [bold]failed[/bold]"), 1, "error: some [bold]failed[/bold]\n"),
        (ImageError("torn", "a:boom:.png"), 1, "error: a:boom:.png: torn\n"),
        (UsageError("wrong\nin two lines"), 2, "error: wrong\nin two lines\n"),
        (ServerUnavailableError("gone"), 3, "error: gone\n"),
        (ContractError("no classifier"), 3, "error: no classifier\n"),
        (PermissionError(errno.EACCES, "Permission denied", "a:boom:.html"), 3, "a:boom:.html: Permission denied\n"),
        (OSError("a disk that is full"), 3, "error: a disk that is full\n"),
        (KeyboardInterrupt("after 3 of 7"), 130, "interrupted after 3 of 7\n"),
    ],
)
def test_each_failure_has_its_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
    status: int,
    said: str,
) -> None:
    def fail(args: object) -> int:
        raise failure

    monkeypatch.setattr(classify, "run", fail)
    assert run("classify", "x") == status
    captured = capsys.readouterr()
    assert captured.err.endswith(said)
    assert captured.out == ""


def test_a_directory_where_a_file_is_wanted_has_the_systems_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("classify", "x", "--url", "127.0.0.1:1", "--resume", str(tmp_path))
    assert run(*words) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}: Is a directory\n"


def test_the_help_loads_no_verb() -> None:
    """What makes it answer at once."""
    script = (
        "import sys, tritonrepo.cli.main as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "tritonrepo.cli.main" in loaded
    assert not loaded & {*(f"tritonrepo.cli.{verb}" for verb in VERBS), "numpy", "PIL", "grpc", "urllib3", "jinja2"}
