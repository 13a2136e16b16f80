"""`tritonrepo classify`: images into the best classes of a served model."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rich.console import Console
from rich.text import Text

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.asking import add_asking_options
from tritonrepo.cli.progress import Tally, last_words, write_line
from tritonrepo.cli.result_table import as_table
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED, terminate_as_interrupt
from tritonrepo.client.contract import ModelContract
from tritonrepo.client.errors import UsageError
from tritonrepo.client.records import (
    CSV_COLUMNS,
    RESUMED_COLUMNS,
    as_csv,
    as_json,
    csv_header,
    untrained_warning,
)
from tritonrepo.client.result_file import Done, drop, format_of, open_to_go_on, read_done
from tritonrepo.client.results import Result
from tritonrepo.client.resume import Present, outdated, said, skip_done
from tritonrepo.client.sources import Source, expand, said_of
from tritonrepo.client.text import printable

if TYPE_CHECKING:
    from tritonrepo.client.gallery import Gallery

SUMMARY = "Classify images with a model that Triton serves."
FORMATS = ("table", "json", "csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `classify`."""
    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGE|DIR|PATTERN|URL", help="what to classify")
    add_asking_options(parser)
    add("--format", choices=FORMATS, help="default: table; with --resume, by the file's name")
    add(
        "--csv-escape",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="in csv, write ' before a text that a spreadsheet would run (default: yes)",
    )
    add("--labels", type=arguments.path, metavar="FILE", help="what export --labels takes, not the server's")
    add("--server-top-n", action="store_true", help="the server picks the best classes: scores only")
    add("--gallery", type=arguments.path, metavar="HTML", help="also write one self-contained page")
    add(
        "--resume",
        type=arguments.path,
        metavar="FILE",
        help="write to this .jsonl or .csv file, and go on where it ends if it is there",
    )
    arguments.add_redo_option(parser)
    arguments.add_pipeline_options(parser)
    arguments.add_connection_options(parser)


def run(args: argparse.Namespace) -> int:
    """Classify; the exit status."""
    terminate_as_interrupt()
    arguments.check_redo(args)
    if args.resume and args.gallery:
        raise UsageError("--gallery shows one run's images, so it does not go with --resume")
    options = dataclasses.replace(
        arguments.options(args),
        top=args.top,
        threshold=args.threshold,
        server_top=args.server_top_n,
        thumbnails=args.gallery is not None,
        basis=args.resume is not None,
    )
    done = read_done(args.resume) if args.resume else None
    left_out: Counter[str] = Counter()
    with ExitStack() as stack:
        classifier = stack.enter_context(arguments.classifier(args, args.model))
        if done and done.records:
            versions = classifier.versions
            present = Present.of(versions, versions.answering(), options, args.redo)
            done = _what_holds(args.resume, done, present)
        console = terminal.console()
        emit, table = stack.enter_context(_output(args, classifier.contract, console, done))
        gallery = stack.enter_context(_gallery(args.gallery, classifier.contract)) if args.gallery else None
        advance = stack.enter_context(
            terminal.progress(lambda: _sources(args.images, done), console if table and console.is_terminal else None)
        )
        tally = stack.enter_context(last_words(args.resume))
        for result in classifier.run(_sources(args.images, done, left_out), options):
            tally.add(result)
            emit(result)
            if gallery:
                gallery.add(result)
            advance()
    if sentence := said_of(left_out):
        terminal.note(sentence)
    return _conclude(tally, done, args.resume)


def _what_holds(path: Path, done: Done, present: Present) -> Done:
    """What is done and still holds; the rest is taken out of the file."""
    again = outdated(path, done, present)
    if not again:
        return done
    terminal.note(said(path, len(done.records), again.values()))
    drop(path, done.size, again)
    return read_done(path)


def _gallery(path: Path, contract: ModelContract) -> Gallery:
    from tritonrepo.client.gallery import Gallery  # Here, since its templates are for those who want a page.

    return Gallery(path, contract)


def _sources(words: Sequence[str], done: Done | None, left_out: Counter[str] | None = None) -> Iterator[Source]:
    found = expand(words, left_out)
    return skip_done(found, done.images) if done else found


def _conclude(tally: Tally, done: Done | None, path: Path | None) -> int:
    before, failed = (done.images.total(), done.failed + tally.failed) if done else (0, tally.failed)
    total = before + tally.done
    if path:
        already = f" ({before:,} of them were there already)" if before else ""
        terminal.note(f"{path}: {total:,} images{already}, {failed:,} could not be classified")
    elif failed:
        terminal.note(f"{failed:,} of {total:,} images could not be classified")
    return EXIT_SOME_FAILED if failed else EXIT_DONE


@contextmanager
def _output(
    args: argparse.Namespace, contract: ModelContract, console: Console, done: Done | None
) -> Iterator[tuple[Callable[[Result], None], bool]]:
    """How to show a result, and whether that is the table."""
    format_ = _chosen_format(args)
    table = format_ == "table"
    if table:
        console.print(Text(printable(contract.name), style="dim"))
    warning = untrained_warning(contract)
    if warning and table:
        console.print(printable(warning), soft_wrap=True)
    elif warning:
        terminal.note(warning)
    if table:
        yield lambda result: console.print(as_table(result)), True
        return
    lines = as_json if format_ == "json" else partial(as_csv, escape=args.csv_escape)
    with open_to_go_on(args.resume, done.size) if done else nullcontext(sys.stdout.buffer) as file:
        if format_ == "csv" and not (done and done.size):
            write_line(file, csv_header(RESUMED_COLUMNS if done else CSV_COLUMNS))
        yield lambda result: _emit_line(file, lines(result), result, named=bool(done)), False


def _chosen_format(args: argparse.Namespace) -> str:
    if not args.resume:
        return args.format or "table"
    format_ = format_of(args.resume)
    if args.format not in (None, format_):
        raise UsageError(f"--format {args.format} does not go with --resume {args.resume}")
    return format_


def _emit_line(file: BinaryIO, line: str, result: Result, named: bool) -> None:
    write_line(file, line)
    if named and result.error is not None:
        terminal.note(f"{printable(result.image)}: {result.error}")
