"""`tritonrepo completion`: a script that lets a shell complete the verbs and their options."""

from __future__ import annotations

import argparse

import shtab

SUMMARY = "print the completion script of a shell"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `completion`."""
    parser.epilog = "For bash: tritonrepo completion bash > ~/.local/share/bash-completion/completions/tritonrepo"
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="for this shell")


def run(args: argparse.Namespace) -> int:
    """Print the script; status 0."""
    from tritonrepo.cli.main import VERBS, parser

    print(shtab.complete(parser("tritonrepo", VERBS), args.shell))
    return 0
