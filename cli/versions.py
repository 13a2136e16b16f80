"""`tritonrepo versions`: what a model repository holds, and which version of each model is served."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import repository
from tritonrepo.cli.status import EXIT_DONE
from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import printable
from tritonrepo.repository.catalogue import Version, list_versions
from tritonrepo.repository.publish import find_models
from tritonrepo.repository.store.address import open_store

SUMMARY = (
    "List the versions in a model repository: which is served, to which a rollback goes, what is staged; with format, "
    "weights, the figures of the gate, size and time."
)
STYLES = {"served": "green", "staged": "yellow", "withdrawn": "dim", "foreign": "dim"}
PIPE_WIDTH = 200
"""A row is long, and what reads a pipe can cut it itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `versions`."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="MODEL",
        help="model of the repository, or a model without its format: all its formats; without it all models",
    )
    parser.add_argument("--repository", default=Path("model_repository"), type=repository, metavar="DIR|URL")
    parser.add_argument("--format", choices=["table", "json"], default="table", help="json: an object a line")


def run(args: argparse.Namespace) -> int:
    """List them; status 0."""
    if isinstance(args.repository, Path) and not args.repository.is_dir():
        raise UsageError(f"{args.repository}: no such model repository")
    store = open_store(args.repository)
    models = dict.fromkeys(model for name in args.names for model in find_models(store, name)) or store.models()
    versions = list_versions(store, [*models])
    if args.format == "json":
        for version in versions:
            print(json.dumps(as_json(version)))
    else:
        terminal.console(PIPE_WIDTH).print(as_table(versions))
    return EXIT_DONE


def as_table(versions: Sequence[Version]) -> Table:
    """A row for each version."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("model", overflow="fold")
    table.add_column("version", justify="right")
    for heading in ("status", "format", "weights"):
        table.add_column(heading, overflow="fold")
    for heading in ("worst difference", "top-1 agreement", "size"):
        table.add_column(heading, justify="right")
    table.add_column("created")
    for version in versions:
        status = Text(version.status, style=STYLES.get(version.status, ""))
        model = Text(printable(version.model))
        table.add_row(model, str(version.number), status, *_made(version), decimal(version.bytes), _created(version))
    return table


def as_json(version: Version) -> dict[str, object]:
    """The line of a version; null for what its manifest does not say."""
    made = version.manifest
    return {
        "model": version.model,
        "version": version.number,
        "status": version.status,
        "format": made and made.format,
        "precision": made and made.precision,
        "weights": made and made.weights.source,
        "trained": made and made.weights.trained,
        "worst_difference": made and made.verification.worst_absolute,
        "top1_agreement": made and made.verification.top1_agreement,
        "bytes": version.bytes,
        "created": made and made.created.isoformat(),
    }


def _made(version: Version) -> tuple[str | Text, ...]:
    """What the manifest says of format, weights and gate."""
    made = version.manifest
    if made is None:
        return "-", "-", "-", "-"
    untrained = "" if made.weights.trained else " (untrained)"
    weights = Text(printable(f"{made.weights.source}{untrained}"))
    return made.format, weights, f"{made.verification.worst_absolute:.1e}", f"{made.verification.top1_agreement:.1%}"


def _created(version: Version) -> str:
    return f"{version.manifest.created:%Y-%m-%d %H:%M}" if version.manifest else "-"
