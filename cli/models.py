"""Which models of which repository several verbs are about."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

from tritonrepo.cli.places import add_repository_option
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.publish import find_models
from tritonrepo.repository.store.address import open_store
from tritonrepo.repository.store.seam import Store

NAME = "a model of the repository, or one without its format: all its formats"


def add_models(parser: argparse.ArgumentParser, nargs: Literal["+", "*"] = "+") -> None:
    """Declare the models and their repository; `named_store` and `named_models` read them."""
    parser.add_argument("names", nargs=nargs, metavar="MODEL", help=NAME if nargs == "+" else f"{NAME} (default: all)")
    add_repository_option(parser)


def named_store(args: argparse.Namespace) -> Store:
    """The repository that the words name. Raises `UsageError` where none is there."""
    if isinstance(args.repository, Path) and not args.repository.is_dir():
        raise UsageError(f"{args.repository}: no such model repository; make one with: tritonrepo export")
    return open_store(args.repository)


def named_models(args: argparse.Namespace, store: Store) -> list[str]:
    """The models that the words name, each once; all where they name none. Raises `UsageError`."""
    return [*dict.fromkeys(model for name in args.names for model in find_models(store, name))] or store.models()
