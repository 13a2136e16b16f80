"""Where a model repository is, on the command line: a directory, or an object store."""

from __future__ import annotations

import argparse
from pathlib import Path

from tritonrepo.cli.arguments import path
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.store.address import Address, is_address, read_address

STORES = "s3://[HOST:PORT/]BUCKET/PREFIX, gs://BUCKET/PREFIX, as://ACCOUNT/CONTAINER/PREFIX"
"""How help texts spell the object stores."""


def repository(text: str) -> Path | Address:
    """A type: a model repository, on this machine or in an object store."""
    try:
        return read_address(text) if is_address(text) else path(text)
    except UsageError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def add_repository_option(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Which repository, with `model_repository` as the default."""
    parser.add_argument(
        "--repository",
        default=Path("model_repository"),
        type=repository,
        metavar="DIR|URL",
        help=f"the model repository: a directory, or {STORES} (%(default)s)",
    )
