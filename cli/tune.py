"""`tritonrepo tune`: the configuration under which this machine serves a model fastest, found within a given time."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.status import EXIT_DONE, terminate_as_interrupt
from tritonrepo.client.text import printable

if TYPE_CHECKING:
    from tritonrepo.compare.tuning.outcome import Tuned
    from tritonrepo.compare.tuning.space import Arm

SUMMARY = (
    "Search for the instances, threads, queue delay, batch sizes, accelerator and format under which the embedded "
    "Triton serves a model fastest on this machine. The best is written as a new version if a fresh run shows it to be "
    "better than what is there; else nothing is changed."
)
BUDGET = "10m"
PIPE_WIDTH = 140
"""Of a table that goes to no terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `tune`."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="directory of a model in the repository, or a model without its format: all")
    add("images", nargs="*", metavar="IMAGE|DIR|URL", help="what to send (default: generated)")
    add(
        "--budget",
        type=arguments.duration,
        default=BUDGET,
        metavar="TIME",
        help="for all of it, as in 90s, 10m or 1h (%(default)s)",
    )
    add(
        "--p95-ms",
        type=arguments.positive_number,
        metavar="MS",
        help="what the 95th percentile of the latency must keep (default: any)",
    )
    add("--concurrency", type=arguments.COUNT, default=4, metavar="N", help="requests in flight (%(default)s)")
    add("--repository", default=Path("model_repository"), type=arguments.path, metavar="DIR")
    add("--staging", type=arguments.path, metavar="DIR", help="as of `tritonrepo export`; the scratch copy is here too")
    add("--dry-run", action="store_true", help="search and print, and write nothing")
    add("--format", choices=("table", "json"), default="table", help="on standard output (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Search, write, present; status 0, also where nothing is better."""
    began = time.monotonic()  # before what takes a second to import
    terminate_as_interrupt()
    from tritonrepo.cli import decoders
    from tritonrepo.cli.compare import progress_bar
    from tritonrepo.compare import TuningTask, UnwrittenError, tune
    from tritonrepo.serve.triton import TritonServer

    decoders.quiet()
    task = TuningTask(
        model=args.model,
        repository=args.repository,
        budget=args.budget,
        p95_limit=args.p95_ms,
        concurrency=args.concurrency,
        images=args.images,
        staging=args.staging,
        dry_run=args.dry_run,
    )
    # At its end nobody waits for an answer any more; Triton would take seconds of the budget for its own end.
    open_server = partial(TritonServer, stop_grace=0.0)
    unwritten = None
    with progress_bar() as on_step:
        try:
            tuned = tune(task, open_server, on_step, terminal.note, began=began)
        except UnwrittenError as error:  # after all that time, what was found is worth showing
            tuned, unwritten = error.tuned, error
    _present(args, tuned)
    if unwritten:
        raise unwritten
    if args.format == "table":
        terminal.console(PIPE_WIDTH).print(Text(printable(sentence(tuned, args.dry_run))), soft_wrap=True)
    return EXIT_DONE


def _present(args: argparse.Namespace, tuned: Tuned) -> None:
    for model, reason in tuned.left_out.items():
        terminal.note(f"{model} is left out: {reason}")
    for arm, reason in tuned.lost.items():
        terminal.note(f"{arm}: {reason}")
    if args.format == "json":
        for line in as_json(tuned):
            print(line)
    else:
        terminal.console(PIPE_WIDTH).print(as_table(tuned))


def as_json(tuned: Tuned) -> Iterator[str]:
    """A line for each configuration that is shown, and a last one for what came of it."""
    gain = tuned.verdict.gain
    said = {
        "changed": tuned.version is not None,
        "version": tuned.version,
        "better": tuned.verdict.better,
        "reason": tuned.verdict.reason,
        "gain": [gain.mean, gain.low, gain.high] if gain else None,
        "measured": len(tuned.cells),
        "seconds": round(tuned.seconds, 2),
    }
    for row in (*(_row(tuned, arm) for arm in tuned.shown), said):
        yield json.dumps(row, ensure_ascii=False)


def _row(tuned: Tuned, arm: Arm) -> dict[str, Any]:
    rate, knobs = tuned.cells[arm].images_per_second, arm.knobs
    return {
        "model": arm.model,
        "instances": knobs.instances,
        "threads": knobs.threads,
        "queue_delay_us": knobs.queue_delay_us,
        "preferred_batch_sizes": list(knobs.preferred),
        "accelerator": knobs.accelerator,
        "images_per_second": rate.mean,
        "images_per_second_low": rate.low if rate.known else None,
        "images_per_second_high": rate.high if rate.known else None,
        "p95_ms": tuned.cells[arm].percentile(95).mean,
        "marks": list(_marks(tuned, arm)),
    }


def as_table(tuned: Tuned) -> Table:
    """The configurations that are shown, by ascending latency."""
    table = Table(box=SIMPLE_HEAD, title="Throughput against p95", title_justify="left", padding=(0, 1, 0, 0))
    for title in ("model", "instances", "threads", "delay", "batches", "runtime", "images/s", "p95 ms", ""):
        table.add_column(title, justify="right" if title in ("images/s", "p95 ms") else "left", no_wrap=True)
    for arm in tuned.shown:
        style = "bold green" if arm == tuned.challenger and tuned.verdict.better else ""
        table.add_row(*map(Text, map(printable, _cells(tuned, arm))), style=style)
    return table


def _cells(tuned: Tuned, arm: Arm) -> list[str]:
    rate, knobs = tuned.cells[arm].images_per_second, arm.knobs
    limits = f" ({rate.low:,.1f} to {rate.high:,.1f})" if rate.known else ""
    return [
        arm.model,
        str(knobs.instances),
        str(knobs.threads or "all"),
        f"{knobs.queue_delay_us / 1000:g} ms",
        knobs.batches,
        knobs.accelerator or "its own",
        f"{rate.mean:,.1f}{limits}",
        f"{tuned.cells[arm].percentile(95).mean:,.1f}",
        ", ".join(_marks(tuned, arm)),
    ]


def _marks(tuned: Tuned, arm: Arm) -> Iterator[str]:
    if arm == tuned.challenger:
        yield "best" if tuned.verdict.better else "tried"
    if arm in (tuned.present, tuned.own):
        yield "now"
    if arm in tuned.front:
        yield "Pareto"


def sentence(tuned: Tuned, dry_run: bool) -> str:
    """What came of it."""
    spent = f"{len(tuned.cells)} configurations in {tuned.seconds:.1f} s."
    if not tuned.verdict.better:
        return f"{spent} Nothing is changed: {tuned.challenger} is no better, {tuned.verdict.reason}."
    found = f"{spent} {tuned.challenger} is better: {tuned.verdict.reason}."
    if tuned.challenger.model != tuned.present.model:
        found += f" Clients that name no format ask {tuned.present.model}: name {tuned.challenger.model}."
    if tuned.version is not None:
        return f"{found} Written as version {tuned.version} of {tuned.challenger.model}."
    return f"{found} {'Nothing is written (--dry-run).' if dry_run else 'That is how it stands: nothing is written.'}"
