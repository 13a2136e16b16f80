"""`tritonrepo report`: a stored comparison, drawn again."""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING

from rich.text import Text

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.status import EXIT_DONE, EXIT_INTERRUPTED, EXIT_SOME_FAILED
from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import printable
from tritonrepo.compare.criteria import MAX_SLOWDOWN, TOLERANCE, Criteria

if TYPE_CHECKING:
    from tritonrepo.compare import Judgement, Report

SUMMARY = "draw a stored comparison again"
FORMATS = ("table", "json", "csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `report`."""
    parser.add_argument("run_file", type=arguments.path, metavar="COMPARE.JSON", help="what `compare --output` wrote")
    parser.add_argument(
        "--readme", type=arguments.path, metavar="FILE", help="renew the performance section of this file"
    )
    add_report_options(parser)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Declare the words that say how a run is judged and presented."""
    group = parser.add_argument_group("report")
    group.add_argument("--latency-budget-ms", type=float, metavar="MS", help="for the 95th percentile")
    group.add_argument("--price-per-hour", type=float, metavar="X", help="of the server: adds the cost of 1,000 images")
    group.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="T",
        help="how far a logit may be off, as a share of the spread between the classes, and a probability "
        "(%(default)s)",
    )
    group.add_argument(
        "--max-slowdown",
        type=float,
        default=MAX_SLOWDOWN,
        metavar="X",
        help="exit status 1 if a model takes more than X times as long as the reference (%(default)g; inf: never)",
    )
    group.add_argument(
        "--baseline", type=arguments.path, metavar="COMPARE.JSON", help="show what changed since that run"
    )
    group.add_argument(
        "--fail-on-regression",
        type=arguments.share,
        metavar="P%",
        help="exit status 1 if a cell is worse by more than that, and significantly so",
    )
    group.add_argument(
        "--output", type=arguments.path, metavar="DIR", help="write compare.json, compare.csv, report.html, plots"
    )
    group.add_argument("--no-plots", action="store_true", help="for --output without matplotlib")
    group.add_argument("--format", choices=FORMATS, default="table", help="on standard output (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Judge the stored run and present it; the exit status."""
    from tritonrepo.compare import judge, read_report

    criteria, baseline = limits(args)
    report = read_report(args.run_file)
    judgement = judge(report, criteria, baseline)
    status = present(args, report, judgement)
    if args.readme:
        from tritonrepo.compare.views.readme import replace_section, section

        replace_section(args.readme, section(report, judgement, args.run_file, args.readme))
    return status


def limits(args: argparse.Namespace) -> tuple[Criteria, Report | None]:
    """What the report options say: the criteria and the baseline.

    Raises:
        UsageError: A number is out of range, or the baseline is no report.
        MissingError: The plots are wanted, and matplotlib is not installed.
    """
    from tritonrepo.compare import read_report

    if args.fail_on_regression is not None and not args.baseline:
        raise UsageError("--fail-on-regression needs a --baseline to compare with")
    if args.output and not args.no_plots:
        importlib.import_module("tritonrepo.compare.views.plots")
    criteria = Criteria(
        latency_budget=args.latency_budget_ms,
        price=args.price_per_hour,
        tolerance=args.tolerance,
        max_slowdown=args.max_slowdown,
        max_regression=args.fail_on_regression,
    )
    return criteria, read_report(args.baseline) if args.baseline else None


def present(args: argparse.Namespace, report: Report, judgement: Judgement) -> int:
    """Write the files, print the report; the exit status."""
    from tritonrepo.compare.views.files import write_files

    if args.output:
        write_files(args.output, report, judgement, with_plots=not args.no_plots)
    _print(args, report, judgement)
    if report.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_DONE if judgement.passed else EXIT_SOME_FAILED


def _print(args: argparse.Namespace, report: Report, judgement: Judgement) -> None:
    from tritonrepo.compare.storage import as_json
    from tritonrepo.compare.views.rows import csv_lines
    from tritonrepo.compare.views.tables import tables

    console = terminal.console()
    if args.format == "json":
        console.out(as_json(report), end="")
    elif args.format == "csv":
        console.out("\n".join(csv_lines(report)))
    else:
        for table in tables(report, judgement):
            console.print(table)
        if args.output:
            console.print(Text(f"Written to {printable(str(args.output))}", style="dim"))
