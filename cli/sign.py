"""`tritonrepo sign`: stand for versions of models with a key."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import path
from tritonrepo.cli.asking import add_version_option
from tritonrepo.cli.places import add_repository_option
from tritonrepo.cli.status import EXIT_DONE
from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import printable
from tritonrepo.repository.publish import find_models
from tritonrepo.repository.signature import sign
from tritonrepo.repository.store.address import open_store
from tritonrepo.repository.store.seam import Store

SUMMARY = (
    "Sign the newest version of each model with a key: the artifact, the manifest, the labels and the configuration. "
    "The signature is one more file in the version's directory. It needs no network."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `sign`."""
    add_version_words(parser, "the one to sign (default: the newest, also one that is staged)")
    parser.add_argument(
        "--key", type=path, required=True, metavar="FILE.pem", help="a private key of an elliptic curve, no passphrase"
    )


def add_version_words(parser: argparse.ArgumentParser, version: str) -> None:
    """Declare the words by which `sign` and `verify` know what they are about."""
    add = parser.add_argument
    add("names", nargs="+", metavar="MODEL", help="a directory of the repository, or a model without its format")
    add_repository_option(parser)
    add_version_option(parser, version)


def named_store(args: argparse.Namespace) -> Store:
    """The repository that the words name. Raises `UsageError`."""
    if isinstance(args.repository, Path) and not args.repository.is_dir():
        raise UsageError(f"{args.repository}: no such model repository")
    return open_store(args.repository)


def named_models(args: argparse.Namespace, store: Store) -> list[str]:
    """The models that the words name, each once. Raises `UsageError`."""
    return [*dict.fromkeys(model for name in args.names for model in find_models(store, name))]


def run(args: argparse.Namespace) -> int:
    """Sign them; status 0."""
    output, store = terminal.console(), named_store(args)
    for model in named_models(args, store):
        version = args.version or max(store.versions(model), default=0)
        if not version:
            raise UsageError(f"{store.address}/{model}: holds no version to sign")
        sign(store, model, version, args.key)
        output.print(Text(printable(f"{model}: version {version} is signed")), soft_wrap=True)
    return EXIT_DONE
