"""`tritonrepo sign`: stand for versions of models with a key."""

from __future__ import annotations

import argparse

from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import path
from tritonrepo.cli.asking import add_version_option
from tritonrepo.cli.models import add_models, named_models, named_store
from tritonrepo.cli.status import EXIT_DONE
from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import printable
from tritonrepo.repository.signature import sign

SUMMARY = (
    "Sign the newest version of each model with a key: the artifact, the manifest, the labels and the configuration. "
    "The signature is one more file in the version's directory. It needs no network."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `sign`."""
    add_models(parser)
    add_version_option(parser, "the one to sign (default: the newest, also one that is staged)")
    parser.add_argument(
        "--key", type=path, required=True, metavar="FILE.pem", help="a private key of an elliptic curve, no passphrase"
    )


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
