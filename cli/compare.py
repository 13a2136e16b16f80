"""`tritonrepo compare`: the served models' speed and agreement."""

from __future__ import annotations

import argparse
from pathlib import Path

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.report import add_report_options, require_compare
from tritonrepo.cli.status import terminate_as_interrupt

SUMMARY = "compare the served models: speed and agreement"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `compare`."""
    parser.add_argument("images", nargs="*", metavar="IMAGE|DIR|URL", help="what to compare on (default: generated)")
    parser.add_argument("--models", default="all", metavar="A,B|all", help="default: all that are ready")
    parser.add_argument("--reference", metavar="NAME", help="what the others have to agree with (default: the first)")
    load = parser.add_argument_group("load")
    load.add_argument("--batch-sizes", type=arguments.whole_numbers, default=[1, 8], metavar="N,N", help="default: 1,8")
    load.add_argument(
        "--concurrency", type=arguments.whole_numbers, default=[1, 4], metavar="N,N", help="closed loop; default: 1,4"
    )
    load.add_argument(
        "--request-rate",
        type=arguments.positive_numbers,
        default=[],
        metavar="R,R",
        help="open loop instead: so many requests a second",
    )
    load.add_argument(
        "--distribution", choices=("constant", "poisson"), default="constant", help="of the open loop's requests"
    )
    load.add_argument("--window", type=float, default=2.0, metavar="S", help="seconds per window (%(default)s)")
    load.add_argument("--windows", type=int, default=5, metavar="N", help="windows of a cell (%(default)s)")
    load.add_argument("--max-windows", type=int, default=8, metavar="N", help="of an unstable cell (%(default)s)")
    load.add_argument(
        "--stability",
        type=arguments.share,
        default=0.1,
        metavar="P%",
        help="how far a stable cell's last windows differ (10%%)",
    )
    load.add_argument("--engine", choices=("python", "perf_analyzer"), default="python", help="default: %(default)s")
    load.add_argument("--perf-analyzer", metavar="PATH", help="NVIDIA's program (default: from the PATH)")
    load.add_argument(
        "--repository", type=Path, metavar="DIR", help="the server's, if it is here: adds the models' manifests"
    )
    add_report_options(parser)
    arguments.add_connection_options(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, write, print; the exit status."""
    terminate_as_interrupt()
    require_compare()
    from tritonrepo.compare import command

    return command.compare(args, arguments.connection(args), terminal.console())
