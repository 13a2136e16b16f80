"""`tritonrepo completion`: a script that lets a shell complete the verbs, their options, and the names of files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import shtab

from tritonrepo.cli import arguments

SUMMARY = "Print a script that lets a shell complete the words of this command and the names of files."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `completion`."""
    parser.epilog = "For bash: tritonrepo completion bash > ~/.local/share/bash-completion/completions/tritonrepo"
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="for this shell")


def run(args: argparse.Namespace) -> int:
    """Print the script; status 0."""
    from tritonrepo.cli.main import VERBS, parser

    found = parser("tritonrepo", tuple(VERBS), loaded=tuple(VERBS))
    for action in _actions(found):
        if action.type is arguments.path or action.dest == "images":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(found, args.shell))
    return 0


def _actions(found: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in found._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _actions(verb)
        else:
            yield action
