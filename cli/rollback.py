"""`tritonrepo rollback`: go back to the version before, of models."""

from __future__ import annotations

import argparse
from pathlib import Path

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import path, repository
from tritonrepo.cli.status import EXIT_DONE, terminate_as_interrupt
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.publish import open_repository

SUMMARY = (
    "Serve the version before the one that is served, of all models that are named, or of none. The number of what is "
    "withdrawn is not given again."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `rollback`."""
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="directory of a model in the repository, or a model without its format: all its formats",
    )
    parser.add_argument("--repository", default=Path("model_repository"), type=repository, metavar="DIR|URL")
    parser.add_argument("--staging", type=path, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Go back; status 0."""
    terminate_as_interrupt()
    if isinstance(args.repository, Path) and not args.repository.is_dir():
        raise UsageError(f"{args.repository}: no such model repository")
    console = terminal.error_console()
    with open_repository(args.repository, args.staging, console.print) as models:
        # A model may be named twice, by itself and among the formats of another word.
        names = dict.fromkeys(model for name in args.names for model in models.find_models(name))
        versions = models.roll_back([*names])
    for name, version in versions.items():
        console.print(f"{name}: version {version} is served again", soft_wrap=True)
    return EXIT_DONE
