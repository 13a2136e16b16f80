"""`tritonrepo report`: a stored comparison, drawn again."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from tritonrepo.cli import arguments, terminal
from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command
from tritonrepo.compare.criteria import MAX_SLOWDOWN, TOLERANCE

SUMMARY = "draw a stored comparison again"
FORMATS = ("table", "json", "csv")
PACKAGES = ("cattrs", "psutil", "scipy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `report`."""
    parser.add_argument("run_file", type=Path, metavar="COMPARE.JSON", help="what `compare --output` wrote")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="renew the performance section of this file")
    add_report_options(parser)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("report")
    group.add_argument("--latency-budget-ms", type=float, metavar="MS", help="for the 95th percentile")
    group.add_argument("--price-per-hour", type=float, metavar="X", help="of the server: adds the cost of 1,000 images")
    group.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="T",
        help="how far a logit may be off, as a share of the spread between the classes (%(default)s)",
    )
    group.add_argument(
        "--max-slowdown",
        type=float,
        default=MAX_SLOWDOWN,
        metavar="X",
        help="exit status 1 if a model takes more than X times as long as the reference (%(default)g; inf: never)",
    )
    group.add_argument("--baseline", type=Path, metavar="COMPARE.JSON", help="show what changed since that run")
    group.add_argument(
        "--fail-on-regression",
        type=arguments.share,
        metavar="P%",
        help="exit status 1 if a cell is worse by more than that, and significantly so",
    )
    group.add_argument("--output", type=Path, metavar="DIR", help="write compare.json, compare.csv, report.html, plots")
    group.add_argument("--no-plots", action="store_true", help="for --output without matplotlib")
    group.add_argument("--format", choices=FORMATS, default="table", help="on standard output (%(default)s)")


def require_compare() -> None:
    """Raises `MissingError` unless the extra `compare` is installed."""
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingError(f"the package {package} is not installed: {install_command('compare')}")


def run(args: argparse.Namespace) -> int:
    """Draw it; the exit status."""
    require_compare()
    from tritonrepo.compare import command

    return command.report(args, terminal.console())
