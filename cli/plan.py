"""`tritonrepo plan`: how many servers a load needs, from a stored comparison."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED
from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command
from tritonrepo.client.text import counted, printable

if TYPE_CHECKING:
    from tritonrepo.compare.capacity.sizing import Fleet, Sizing

SUMMARY = (
    "Say how many servers of which configuration a load needs, from what `compare --output` measured on one of them. "
    "Exit status 1 if no number of them is quick enough."
)
FORMATS = ("table", "json")
SECONDS_PER_HOUR = 3600
PIPE_WIDTH = 160
ASSUMPTIONS = (
    "Assumed: requests come at random (Poisson) and are spread over the servers at random; each server is like the one "
    "that was measured, takes all requests that wait, up to the largest batch that was seen, and has nothing else to "
    "do. No server is spare: add those that may fail, or be in a release, at the same time."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `plan`."""
    add = parser.add_argument
    add(
        "run_files",
        nargs="+",
        type=arguments.path,
        metavar="RUN.JSON",
        help="what `compare --output` wrote: a closed loop; open loops beside it show how good the prediction is",
    )
    add("--rate", type=arguments.positive_number, required=True, metavar="N", help="images a second, of all servers")
    add(
        "--p95-ms",
        type=arguments.positive_number,
        required=True,
        metavar="MS",
        help="so long 95 of 100 requests may take at most",
    )
    add(
        "--utilisation",
        type=arguments.share,
        default=0.8,
        metavar="P%",
        help="of a server, at most (80%%, up to which the prediction was held against measurements)",
    )
    add("--price-per-hour", type=float, metavar="X", help="of a server: adds the costs")
    add(
        "--encoded-kb",
        type=arguments.positive_number,
        default=115.0,
        metavar="KB",
        help="an image file, on average (%(default)g, as in ImageNet)",
    )
    add("--format", choices=FORMATS, default="table", help="on standard output (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Predict and present; the exit status."""
    try:
        from tritonrepo.compare import read_report
        from tritonrepo.compare.capacity.sizing import Demand, size
    except ModuleNotFoundError as exc:
        raise MissingError(f"the package {exc.name} is not installed: {install_command('compare')}") from exc

    demand = Demand(args.rate, args.p95_ms, args.utilisation, args.price_per_hour, 1e3 * args.encoded_kb)
    sizing = size([read_report(path) for path in args.run_files], demand)
    console = terminal.console(PIPE_WIDTH)
    if args.format == "json":
        console.out(json.dumps(as_json(sizing), indent=1))
    else:
        for part in _parts(sizing):
            console.print(part, soft_wrap=isinstance(part, Text))
    return EXIT_DONE if sizing.fleets else EXIT_SOME_FAILED


def as_json(sizing: Sizing) -> dict[str, Any]:
    """The answer with what follows from its fields."""
    from tritonrepo.compare.capacity.network import gigabits

    rate = sizing.demand.rate
    return {
        **asdict(sizing),
        "fleets": [{**asdict(fleet), "utilisation": fleet.utilisation} for fleet in sizing.fleets],
        "checks": [{**asdict(check), "error": check.error} for check in sizing.checks],
        "gigabits_per_second": {kind: gigabits(size, rate) for kind, size in sizing.bytes_of_image.items()},
    }


def _parts(sizing: Sizing) -> Iterator[Table | Text]:
    if sizing.fleets:
        yield _fleets(sizing)
        if sizing.bytes_of_image:
            yield _network(sizing)
    if sizing.checks:
        yield _checks(sizing)
    for model, why in sizing.left_out.items():
        yield Text(printable(f"- {model} is left out: {why}"), style="yellow")
    yield Text(ASSUMPTIONS, style="dim")
    yield Text(printable(_sentence(sizing)), style="bold" if sizing.fleets else "bold red")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=printable(title), title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        words = column in ("model", "input")
        table.add_column(column, justify="left" if words else "right", no_wrap=words, overflow="fold")
    return table


def _fleets(sizing: Sizing) -> Table:
    demand = sizing.demand
    columns = ["model", "batch", "servers", "images/s each", "of capacity", "p95 ms", "in flight", "memory GiB"]
    if demand.price is not None:
        columns.append("cost an hour")
    table = _table(f"{demand.rate:,.10g} images/s, 95 of 100 requests within {demand.p95:g} ms", *columns)
    for fleet in sizing.fleets:
        table.add_row(*_row(fleet), style="bold green" if fleet is sizing.fleets[0] else None)
    return table


def _row(fleet: Fleet) -> list[str]:
    memory = "-" if fleet.memory is None else f"{fleet.memory * fleet.replicas / 1024:,.1f}"
    figures = [f"{fleet.rate:,.1f}", f"{fleet.utilisation:.0%}", f"{fleet.p95:,.1f}", f"{fleet.in_flight:.1f}", memory]
    cost = [] if fleet.cost is None else [f"{fleet.cost:,.2f}"]
    return [printable(fleet.model), str(fleet.batch_size), f"{fleet.replicas:,}", *figures, *cost]


def _gigabits(size: float, rate: float) -> str:
    from tritonrepo.compare.capacity.network import gigabits

    found = gigabits(size, rate)
    return f"{found:,.0f}" if found >= 1000 else f"{found:.3g}"


def _network(sizing: Sizing) -> Table:
    table = _table("On the wire, without the answers", "input", "bytes an image", "Gbit/s in all", "Gbit/s a server")
    for kind, size in sizing.bytes_of_image.items():
        both = (sizing.demand.rate, sizing.fleets[0].rate)
        table.add_row(kind, f"{size:,.0f}", *(_gigabits(size, rate) for rate in both))
    return table


def _checks(sizing: Sizing) -> Table:
    table = _table(
        "Predicted and measured", "model", "batch", "images/s", "of capacity", "p95 ms", "measured", "off by"
    )
    for check in sizing.checks:
        figures = (
            f"{check.rate:,.1f}",
            f"{check.utilisation:.0%}",
            f"{check.predicted:,.1f}",
            f"{check.measured:,.1f}",
        )
        table.add_row(printable(check.model), str(check.batch_size), *figures, f"{check.error:+.0%}")
    return table


def _sentence(sizing: Sizing) -> str:
    demand = sizing.demand
    if sizing.fleets:
        best = sizing.fleets[0]
        servers, images = counted(best.replicas, "server"), counted(best.batch_size, "image")
        words = f"Take {servers} of {best.model} with requests of {images}"
        if best.cost is None:
            return f"{words}."
        million = 1e6 * best.cost / (demand.rate * SECONDS_PER_HOUR)
        return f"{words}: {best.cost:,.2f} an hour, {million:,.3g} for a million images."
    if sizing.least is None:
        return "Nothing can be predicted from these runs."
    model, batch_size, p95 = sizing.least
    return (
        f"No number of servers answers 95 of 100 requests within {demand.p95:g} ms. The least is {p95:.3g} ms, of "
        f"{model} with requests of {counted(batch_size, 'image')}, when hardly any waits."
    )
