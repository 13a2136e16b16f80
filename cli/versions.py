"""`tritonrepo versions`: what a model repository holds, and which version of each model is served."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.fleet import add_fleet_options, open_fleet
from tritonrepo.cli.models import add_models, named_models, named_store
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED
from tritonrepo.client.errors import TritonRepoError
from tritonrepo.client.text import printable
from tritonrepo.repository.catalogue import Version, list_versions
from tritonrepo.repository.rollout.fleet import FleetError
from tritonrepo.repository.rollout.servers import READY

SUMMARY = (
    "List the versions in a model repository: which is served, to which a rollback goes, what is staged; with format, "
    "weights, the figures of the gate, size and time."
)
STYLES = {"served": "green", "staged": "yellow", "withdrawn": "dim", "foreign": "dim"}
Loaded = Mapping[str, Collection[tuple[str, int]]]
"""The model versions that a server has ready, by its address."""
PIPE_WIDTH = 200
"""A row is long, and what reads a pipe can cut it itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `versions`."""
    add_models(parser, "*")
    parser.add_argument("--format", choices=["table", "json"], default="table", help="json: an object a line")
    add_fleet_options(parser, "also say which of these has which version loaded")


def run(args: argparse.Namespace) -> int:
    """List them; status 0, or 1 where a server does not say what it has."""
    store = named_store(args)
    versions = list_versions(store, named_models(args, store))
    loaded, failures = _look(args) if args.server else (None, {})
    if args.format == "json":
        for version in versions:
            print(json.dumps(as_json(version, loaded)))
    elif versions:
        terminal.console(PIPE_WIDTH).print(as_table(versions, loaded))
    if not versions:
        terminal.note(f"{store.address}: holds no version of a model; export one, or correct the address")
    for url, failure in failures.items():
        terminal.note(f"error: {FleetError({url: failure})}", "red")
    return EXIT_SOME_FAILED if failures else EXIT_DONE


def _look(args: argparse.Namespace) -> tuple[Loaded, dict[str, TritonRepoError]]:
    """What the servers that answer have loaded, and why the others do not."""
    with open_fleet(args) as fleet:
        states, failures = fleet.look()
    ready = {url: {version for version, state in each.items() if state == READY} for url, each in states.items()}
    return ready, failures


def as_table(versions: Sequence[Version], loaded: Loaded | None = None) -> Table:
    """A row for each version, with the servers that have it, if they were asked."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("model", overflow="fold")
    table.add_column("version", justify="right")
    for heading in ("status", "format", "weights"):
        table.add_column(heading, overflow="fold")
    for heading in ("worst difference", "top-1 agreement", "size"):
        table.add_column(heading, justify="right")
    table.add_column("signed")
    table.add_column("created")
    if loaded is not None:
        table.add_column("loaded by", overflow="fold")
    for version in versions:
        status = Text(version.status, style=STYLES.get(version.status, ""))
        model = Text(printable(version.model))
        size, signed = decimal(version.bytes), "yes" if version.signed else "no"
        row = [model, str(version.number), status, *_made(version), size, signed, _created(version)]
        table.add_row(*row, *([] if loaded is None else [", ".join(_servers(version, loaded)) or "-"]))
    return table


def _servers(version: Version, loaded: Loaded) -> list[str]:
    """The servers that have a version loaded."""
    return [url for url, ready in loaded.items() if (version.model, version.number) in ready]


def as_json(version: Version, loaded: Loaded | None = None) -> dict[str, object]:
    """The line of a version; null for what its manifest does not say."""
    made = version.manifest
    servers = {} if loaded is None else {"loaded_by": _servers(version, loaded)}
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
        "signed": version.signed,
        "created": made and made.created.isoformat(),
        **servers,
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
