"""`tritonrepo verify`: whether versions are signed, and lie there as they were signed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import add_public_key
from tritonrepo.cli.asking import add_version_option
from tritonrepo.cli.models import add_models, named_models, named_store
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED
from tritonrepo.client.text import printable
from tritonrepo.repository.errors import ConfigError, ManifestError, PublishError, SignatureError
from tritonrepo.repository.signature import check
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.seam import Store

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
        for about, reason in _verified(store, model, args.version, args.public_key):
            refused += bool(reason)
            text, style = (f"refused  {reason}", "red") if reason else (f"ok       {about}", "green")
            output.print(Text(printable(text), style=style), soft_wrap=True)
    return EXIT_SOME_FAILED if refused else EXIT_DONE


def _verified(store: Store, model: str, version: int | None, public_key: Path) -> Iterator[tuple[str, str]]:
    """What was verified, and why it is refused; empty where it is not."""
    try:
        numbers = [version] if version else read_state(store, model).served
    except PublishError as exc:
        yield model, str(exc)
        return
    if not numbers:
        yield model, f"{model}: its record names no version that is there; name one with --version N"
    for number in numbers:
        about = f"{model}, version {number}"
        try:
            check(store, model, number, public_key)
        except (SignatureError, ManifestError, ConfigError) as exc:
            yield about, str(exc)
        else:
            yield about, ""
