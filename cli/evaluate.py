"""`tritonrepo evaluate`: accuracy over images whose class is known."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.accuracy import accuracy_table, confusion_table, mistake_table
from tritonrepo.cli.progress import last_words, write_line
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED, terminate_as_interrupt
from tritonrepo.client.classifier import Classifier
from tritonrepo.client.connection import addresses
from tritonrepo.client.contract import ready_models
from tritonrepo.client.datasets import Example, class_index, examples
from tritonrepo.client.evaluate import Outcome, Score, outcomes, read_outcomes
from tritonrepo.client.failover import Servers
from tritonrepo.client.records import untrained_warning
from tritonrepo.client.resume import open_to_go_on, skip_done
from tritonrepo.client.text import printable
from tritonrepo.client.transport import open_transport

SUMMARY = "Measure the accuracy of served models over images whose class is known."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `evaluate`."""
    add = parser.add_argument
    add("dataset", type=Path, metavar="DIR|CSV", help="folders named by class, or a csv with the columns image, label")
    add("--model", default="all", metavar="A,B|all", help="default: all that are ready")
    add("--format", choices=("table", "json"), default="table", help="default: %(default)s")
    add("--labels", type=Path, metavar="FILE", help="a label a line, instead of the server's")
    add(
        "--worst",
        type=arguments.COUNT_OR_NONE,
        default=10,
        metavar="N",
        help="worst mistakes to list (%(default)s)",
    )
    add("--min-top1", type=arguments.share_or_all, metavar="0..1", help="exit status 1 if a model's top-1 is below")
    add("--resume", type=Path, metavar="FILE", help="keep each image's outcome in this .jsonl file")
    arguments.add_pipeline_options(parser)
    arguments.add_connection_options(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; the exit status."""
    terminate_as_interrupt()
    earlier, size = read_outcomes(args.resume) if args.resume else ([], 0)
    reports: dict[str, tuple[Score, Sequence[str]]] = {}
    with open_to_go_on(args.resume, size) if args.resume else nullcontext() as file:
        for name in _evaluated_models(args):
            with arguments.classifier(args, name) as classifier:
                score = Score(args.worst)
                _evaluate_model(args, classifier, score, [o for o in earlier if o.model == name], file)
                reports[name] = score, classifier.labels()
                warning = untrained_warning(classifier.contract)
                if warning:
                    terminal.note(warning)
    _print_scores(args.format, reports)
    scores = [score for score, _ in reports.values()]
    below = args.min_top1 is not None and not all(score.top1.value >= args.min_top1 for score in scores)
    if below:
        terminal.note(f"top-1 is below {args.min_top1}")
    return EXIT_SOME_FAILED if below or any(score.failed for score in scores) else EXIT_DONE


def _evaluated_models(args: argparse.Namespace) -> list[str]:
    if args.model != "all":
        return list(dict.fromkeys(args.model.split(",")))
    connection = arguments.connection(args)
    transport = Servers([open_transport(url, connection) for url in addresses(args.url)], args.patience)
    try:
        return ready_models(transport.models())
    finally:
        transport.close()


def _evaluate_model(
    args: argparse.Namespace, classifier: Classifier, score: Score, earlier: list[Outcome], file: BinaryIO | None
) -> None:
    """Add to the score what an earlier run found out, then what is left to find out."""
    classes = class_index(classifier.contract, classifier.labels())
    done = Counter(old.image for old in earlier)
    for old in earlier:
        score.add(old)

    def remaining() -> Iterator[Example]:
        return skip_done(examples(args.dataset, classes), done)

    with terminal.progress(remaining, None) as advance, last_words(args.resume) as tally:
        for one in outcomes(classifier, remaining(), arguments.options(args)):
            score.add(one)
            tally.add(one)
            if file:
                write_line(file, one.as_json())
            if one.error:
                terminal.note(f"{printable(one.image)}: {one.error}")
            advance()


def _print_scores(format_: str, reports: Mapping[str, tuple[Score, Sequence[str]]]) -> None:
    if format_ == "json":
        for name, (score, labels) in reports.items():
            print(json.dumps({"model": name, **score.as_dict(labels)}))
        return
    console = terminal.console()
    console.print(accuracy_table({name: score for name, (score, _) in reports.items()}))
    for name, (score, labels) in reports.items():
        if score.confusions():
            console.print(confusion_table(name, score, labels))
            console.print(mistake_table(name, score, labels))
