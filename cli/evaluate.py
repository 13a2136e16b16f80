"""`tritonrepo evaluate`: accuracy over images whose class is known."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rich.text import Text

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.accuracy import accuracy_table, confusion_table, mistake_table
from tritonrepo.cli.asking import add_version_option
from tritonrepo.cli.progress import last_words, write_line
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED, terminate_as_interrupt
from tritonrepo.client.classifier import Classifier
from tritonrepo.client.connection import addresses
from tritonrepo.client.contract import ready_models
from tritonrepo.client.datasets import Example, class_index, examples
from tritonrepo.client.earlier import read_outcomes, settle
from tritonrepo.client.encoded import takes_files
from tritonrepo.client.evaluate import TOP, Outcome, Score, outcomes
from tritonrepo.client.failover import Servers
from tritonrepo.client.mcnemar import Answers, Difference
from tritonrepo.client.records import untrained_warning
from tritonrepo.client.result_file import drop, open_to_go_on, whole_lines
from tritonrepo.client.resume import Present, said, skip_done
from tritonrepo.client.sources import said_of
from tritonrepo.client.text import printable
from tritonrepo.client.transport import open_transport

SUMMARY = "Measure the accuracy of served models over images whose class is known."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `evaluate`."""
    add = parser.add_argument
    add(
        "dataset",
        type=arguments.path,
        metavar="DIR|CSV",
        help="folders named by class, or a csv with the columns image, label",
    )
    add("--model", default="all", metavar="A,B|all", help="default: all that are ready")
    add_version_option(parser)
    add("--format", choices=("table", "json"), default="table", help="default: %(default)s")
    add("--labels", type=arguments.path, metavar="FILE", help="what export --labels takes, not the server's")
    add(
        "--worst",
        type=arguments.COUNT_OR_NONE,
        default=10,
        metavar="N",
        help="worst mistakes to list (%(default)s)",
    )
    add("--min-top1", type=arguments.share_or_all, metavar="0..1", help="exit status 1 if a model's top-1 is below")
    add("--resume", type=arguments.path, metavar="FILE", help="keep each image's outcome in this .jsonl file")
    arguments.add_redo_option(parser)
    arguments.add_pipeline_options(parser)
    arguments.add_connection_options(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; the exit status."""
    terminate_as_interrupt()
    arguments.check_redo(args)
    if args.resume:
        read_outcomes(args.resume)  # before any work: it may be another program's
    reports: dict[str, Report] = {}
    left_out: Counter[str] = Counter()
    for name in _evaluated_models(args):
        with arguments.classifier(args, name) as classifier:
            left_out.clear()  # each model's run lists the data set anew
            reports[name] = _evaluate_model(args, classifier, left_out)
            warning = untrained_warning(classifier.contract)
            if warning:
                terminal.note(warning)
    if sentence := said_of(left_out):
        terminal.note(sentence)
    _print_scores(args.format, reports)
    return _status({name: report.score for name, report in reports.items()}, args.min_top1)


def _status(scores: Mapping[str, Score], least: float | None) -> int:
    """What the command ends with, after a sentence for each model that failed wholly, or changed, or is too bad."""
    for name, score in scores.items():
        if not score.count:
            terminal.note(f"{name}: no image was classified, so nothing is known of its accuracy")
        if len(score.versions) > 1:
            versions = ", ".join(sorted(score.versions, key=lambda version: (len(version), version)))
            terminal.note(f"{name}: its versions {versions} answered, and the figures mix them")
    below = least is not None and any(score.count and score.top1.value < least for score in scores.values())
    if below:
        terminal.note(f"top-1 is below {least}")
    failed = any(score.failed or not score.count for score in scores.values())
    return EXIT_SOME_FAILED if below or failed else EXIT_DONE


def _evaluated_models(args: argparse.Namespace) -> list[str]:
    if args.model != "all":
        return list(dict.fromkeys(args.model.split(",")))
    connection = arguments.connection(args)
    transport = Servers([open_transport(url, connection) for url in addresses(args.url)], args.patience)
    try:
        return [name for name in ready_models(transport.models()) if not takes_files(name)]
    finally:
        transport.close()


class Report(NamedTuple):
    """Of one model."""

    score: Score
    answers: Answers
    labels: Sequence[str]


def _evaluate_model(args: argparse.Namespace, classifier: Classifier, left_out: Counter[str]) -> Report:
    """What an earlier run found out and still holds, then what is left to find out."""
    versions, score, answers = classifier.versions, Score(args.worst), Answers()
    options = replace(arguments.options(args), top=TOP, basis=args.resume is not None)
    version = versions.answering()
    labels = versions.labels(version)
    classes = class_index(versions.contract(version), labels)
    chosen = partial(examples, args.dataset, classes)
    done: Counter[str] = Counter()
    if args.resume:
        for old in _what_holds(args, Present.of(versions, version, options, args.redo), chosen()):
            score.add(old)
            answers.add(old)
            done[old.image] += 1
    with (
        _file(args.resume) as file,
        terminal.progress(lambda: skip_done(chosen(), done), None) as advance,
        last_words(args.resume) as tally,
    ):
        for one in outcomes(classifier, skip_done(chosen(left_out), done), options, version):
            score.add(one)
            answers.add(one)
            tally.add(one)
            if file:
                write_line(file, one.as_json())
            if one.error:
                terminal.note(f"{printable(one.image)}: {one.error}")
            advance()
    return Report(score, answers, labels)


def _file(path: Path | None) -> AbstractContextManager[BinaryIO | None]:
    return open_to_go_on(path, len(whole_lines(path))) if path else nullcontext()


def _what_holds(args: argparse.Namespace, present: Present, chosen: Iterator[Example]) -> list[Outcome]:
    """The earlier outcomes that hold; those that do not are taken out of the file."""
    path, earlier = args.resume, read_outcomes(args.resume)
    settled = settle(path, earlier, chosen, present)
    if settled.again:
        terminal.note(said(path, len(earlier), settled.again.values()))
        drop(path, len(whole_lines(path)), settled.again)
    if settled.strange:
        terminal.note(f"{path}: {settled.strange:,} outcomes of pictures that are not in {args.dataset} do not count")
    return settled.kept


def _print_scores(format_: str, reports: Mapping[str, Report]) -> None:
    """The figures of each, and how the later ones differ from the first."""
    first = next(iter(reports), "")
    apart = {name: Difference.of(one.answers, reports[first].answers) for name, one in reports.items() if name != first}
    if format_ == "json":
        for name, (score, _, labels) in reports.items():
            against = {"against": apart[name].as_dict(first)} if name in apart else {}
            print(json.dumps({"model": name, **score.as_dict(labels), **against}, allow_nan=False))
        return
    console = terminal.console()
    console.print(accuracy_table({name: report.score for name, report in reports.items()}))
    for name, difference in apart.items():
        if difference.count:
            console.print(Text(difference.sentence(printable(name), printable(first))), soft_wrap=True)
    for name, (score, _, labels) in reports.items():
        if score.confusions():
            console.print(confusion_table(name, score, labels))
            console.print(mistake_table(name, score, labels))
