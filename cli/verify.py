"""`tritonrepo verify`: whether versions are signed, and lie there as they were signed."""

from __future__ import annotations

import argparse

from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import add_public_key
from tritonrepo.cli.asking import add_version_option
from tritonrepo.cli.models import add_models, named_models, named_store
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED
from tritonrepo.client.text import printable
from tritonrepo.repository.errors import SignatureError
from tritonrepo.repository.signature import check
from tritonrepo.repository.state import read_state

SUMMARY = (
    "Say of the versions that Triton would load whether they are signed with a key and lie there as they were signed. "
    "Changes nothing and needs no network. Exit status 1 if one does not."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `verify`."""
    add_models(parser)
    add_version_option(parser, "the one to verify (default: those that Triton would load)")
    add_public_key(parser, required=True)


def run(args: argparse.Namespace) -> int:
    """Verify them; the exit status."""
    output, store, refused = terminal.console(), named_store(args), 0
    for model in named_models(args, store):
        for version in [args.version] if args.version else read_state(store, model).served:
            try:
                check(store, model, version, args.public_key)
            except SignatureError as exc:
                refused += 1
                output.print(Text(printable(f"refused  {exc}"), style="red"), soft_wrap=True)
            else:
                output.print(Text(printable(f"ok       {model}, version {version}"), style="green"), soft_wrap=True)
    return EXIT_SOME_FAILED if refused else EXIT_DONE
