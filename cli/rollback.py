"""`tritonrepo rollback`: withdraw the newest version of a model."""

from __future__ import annotations

import argparse
from pathlib import Path

from tritonrepo.cli import terminal
from tritonrepo.cli.status import EXIT_DONE
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.publish import open_repository

SUMMARY = "Withdraw the newest version of a model."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `rollback`."""
    parser.add_argument("name", metavar="NAME", help="directory of the model in the repository")
    parser.add_argument("--repository", default=Path("model_repository"), type=Path, metavar="DIR")
    parser.add_argument("--staging", type=Path, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Withdraw it; status 0."""
    console = terminal.error_console()
    named = Path(args.name).name == args.name and args.name not in ("", "..")
    if not named or not (args.repository / args.name).is_dir():
        raise UsageError(f"{args.repository / args.name}: no such model; name a directory of the repository")
    with open_repository(args.repository, args.staging, console.print) as repository:
        version = repository.roll_back(args.name)
    console.print(f"{args.name}: version {version} is the newest again", soft_wrap=True)
    return EXIT_DONE
