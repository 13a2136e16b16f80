"""`tritonrepo compare`: the served models' speed and agreement."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.report import add_report_options, limits, present
from tritonrepo.cli.status import terminate_as_interrupt
from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import printable
from tritonrepo.compare.plan import DISTRIBUTIONS, ENGINES, Plan

if TYPE_CHECKING:
    from tritonrepo.compare.rounds import Progress as OnStep
    from tritonrepo.compare.rounds import Step

SUMMARY = "compare the served models: speed and agreement"
DEFAULT = Plan()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `compare`."""
    parser.add_argument("images", nargs="*", metavar="IMAGE|DIR|URL", help="what to compare on (default: generated)")
    parser.add_argument("--models", default="all", metavar="A,B|all", help="default: all that are ready")
    parser.add_argument("--reference", metavar="NAME", help="what the others have to agree with (default: the first)")
    _add_load_options(parser)
    add_report_options(parser)
    arguments.add_connection_options(parser)


def _add_load_options(parser: argparse.ArgumentParser) -> None:
    load = parser.add_argument_group("load")
    load.add_argument(
        "--batch-sizes",
        type=arguments.whole_numbers,
        default=DEFAULT.batch_sizes,
        metavar="N,N",
        help=f"default: {','.join(map(str, DEFAULT.batch_sizes))}",
    )
    load.add_argument(
        "--concurrency",
        type=arguments.whole_numbers,
        default=DEFAULT.concurrency,
        metavar="N,N",
        help=f"closed loop; default: {','.join(map(str, DEFAULT.concurrency))}",
    )
    load.add_argument(
        "--request-rate",
        type=arguments.positive_numbers,
        default=DEFAULT.request_rates,
        metavar="R,R",
        help="open loop instead: so many requests a second",
    )
    load.add_argument(
        "--distribution", choices=DISTRIBUTIONS, default=DEFAULT.distribution, help="of the open loop's requests"
    )
    _add_window_options(load)
    load.add_argument("--engine", choices=ENGINES, default=DEFAULT.engine, help="default: %(default)s")
    load.add_argument(
        "--perf-analyzer", type=arguments.word, metavar="PATH", help="NVIDIA's program (default: from the PATH)"
    )
    load.add_argument(
        "--repository",
        type=arguments.path,
        metavar="DIR",
        help="the server's, if it is here: adds the models' manifests",
    )


def _add_window_options(load: argparse._ArgumentGroup) -> None:
    load.add_argument(
        "--window", type=float, default=DEFAULT.window, metavar="S", help="seconds per window (%(default)s)"
    )
    load.add_argument(
        "--windows", type=int, default=DEFAULT.windows, metavar="N", help="windows of a cell (%(default)s)"
    )
    load.add_argument(
        "--max-windows", type=int, default=DEFAULT.most_windows, metavar="N", help="of an unstable cell (%(default)s)"
    )
    load.add_argument(
        "--stability",
        type=arguments.share,
        default=DEFAULT.stability,
        metavar="P%",
        help=f"how far a stable cell's last windows differ ({100 * DEFAULT.stability:g}%%)",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, judge, present; the exit status."""
    terminate_as_interrupt()
    from tritonrepo.cli import decoders
    from tritonrepo.compare import judge, measure

    decoders.quiet()
    if args.shared_memory:
        raise UsageError("compare sends its images with the requests, as the users do; leave out --shared-memory")
    # Before an hour's measurement whatever can be refused is refused.
    criteria, baseline = limits(args)
    plan, connection = _plan(args), arguments.connection(args)
    with progress_bar() as on_step:
        report = measure(plan, args.url, connection, on_step)
    return present(args, report, judge(report, criteria, baseline))


def _plan(args: argparse.Namespace) -> Plan:
    return Plan(
        images=args.images,
        models=None if args.models == "all" else args.models.split(","),
        reference=args.reference,
        batch_sizes=args.batch_sizes,
        concurrency=args.concurrency,
        request_rates=args.request_rate,
        distribution=args.distribution,
        window=args.window,
        windows=args.windows,
        most_windows=args.max_windows,
        stability=args.stability,
        engine=args.engine,
        perf_analyzer=args.perf_analyzer,
        repository=args.repository,
    )


@contextmanager
def progress_bar() -> Iterator[OnStep]:
    """A bar where there is a terminal, while the block runs; it is told each step."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    console = terminal.error_console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("")

        def on_step(step: Step) -> None:
            bar.update(task, completed=step.done, total=step.total, description=printable(step.what))

        yield on_step
