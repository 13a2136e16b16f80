"""python -m client classify | compare | report | evaluate: the only place that prints or ends the program."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from rich.console import Console
from rich.text import Text

from client import arguments, terminal
from client.classifier import Classifier
from client.compare import command
from client.contract import ModelContract, ready_models
from client.errors import ClientError, ModelUnavailableError, RequestError, ServerUnavailableError, UsageError
from client.evaluate import Example, Outcome, Score, class_index, examples, outcomes, read_outcomes
from client.failover import Servers
from client.gallery import Gallery
from client.present import as_csv, as_json, as_table, csv_header, printable, untrained_warning
from client.results import Result
from client.resume import Done, format_of, open_to_go_on, read_done, skip_done
from client.sources import Source, expand
from client.tables import accuracy_table, confusion_table, mistake_table
from client.transport import open_transport

EXIT_DONE, EXIT_SOME_FAILED, EXIT_MISSING, EXIT_INTERRUPTED = 0, 1, 3, 130


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; the exit status. argparse ends the program by itself for --help and for wrong words (2)."""
    # Pillow warns of odd files; whatever is wrong with a file is said in that image's result.
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    args = arguments.parser(_classify, _compare, _report, _evaluate).parse_args(words)
    try:
        return int(args.run(args))
    except ClientError as exc:
        print(f"error: {_safe(exc)}{_remedy(exc)}", file=sys.stderr)
        return exc.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has had enough. Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_SOME_FAILED
    except OSError as exc:
        print(f"error: {printable(str(exc))}", file=sys.stderr)
        return EXIT_SOME_FAILED


def _safe(exc: ClientError) -> str:
    return "\n".join(map(printable, str(exc).splitlines()))


def _remedy(exc: ClientError) -> str:
    if isinstance(exc, ServerUnavailableError):
        return "\nIs a server running there? Start one with: python -m serve"
    return ""


# classify


@dataclass
class _Tally:
    """What was done so far, for the last words."""

    done: int = 0
    failed: int = 0

    def add(self, result: Result | Outcome) -> None:
        self.done += 1
        self.failed += result.error is not None


def _classify(args: argparse.Namespace) -> int:
    if args.resume and args.gallery:
        raise UsageError("--gallery shows one run's images, so it does not go with --resume")
    options = dataclasses.replace(
        arguments.options(args), top=args.top, server_top=args.server_top_n, thumbnails=args.gallery is not None
    )
    done = read_done(args.resume) if args.resume else None
    with ExitStack() as stack:
        classifier = stack.enter_context(arguments.classifier(args, args.model))
        console = terminal.console()
        emit, table = stack.enter_context(_output(args, classifier.contract, console, done))
        gallery = stack.enter_context(Gallery(args.gallery, classifier.contract)) if args.gallery else None
        advance = stack.enter_context(
            terminal.progress(lambda: _sources(args.images, done), console if table and console.is_terminal else None)
        )
        tally = stack.enter_context(_last_words(args.resume))
        for result in classifier.run(_sources(args.images, done), options):
            tally.add(result)
            emit(result)
            if gallery:
                gallery.add(result)
            advance()
    return _conclude(tally, done, args.resume)


def _sources(words: Sequence[str], done: Done | None) -> Iterator[Source]:
    return skip_done(expand(words), done.images) if done else expand(words)


def _conclude(tally: _Tally, done: Done | None, path: Path | None) -> int:
    before, failed = (done.images.total(), done.failed + tally.failed) if done else (0, tally.failed)
    total = before + tally.done
    if path:
        already = f" ({before:,} of them were there already)" if before else ""
        print(f"{path}: {total:,} images{already}, {failed:,} could not be classified", file=sys.stderr)
    elif failed:
        print(f"{failed:,} of {total:,} images could not be classified", file=sys.stderr)
    return EXIT_SOME_FAILED if failed else EXIT_DONE


@contextmanager
def _output(
    args: argparse.Namespace, contract: ModelContract, console: Console, done: Done | None
) -> Iterator[tuple[Callable[[Result], None], bool]]:
    """How to show a result, and whether that is the table."""
    format_ = _chosen_format(args)
    table = format_ == "table"
    if table:
        console.print(Text(contract.name, style="dim"))
    warning = untrained_warning(contract)
    if warning:
        print(warning, file=sys.stdout if table else sys.stderr, flush=True)
    if table:
        yield lambda result: console.print(as_table(result)), True
        return
    lines = as_json if format_ == "json" else as_csv
    with open_to_go_on(args.resume, done.size) if done else nullcontext(sys.stdout.buffer) as file:
        if format_ == "csv" and not (done and done.size):
            _write_line(file, csv_header())
        yield lambda result: _emit_line(file, lines(result), result, named=bool(done)), False


def _chosen_format(args: argparse.Namespace) -> str:
    if not args.resume:
        return args.format or "table"
    format_ = format_of(args.resume)
    if args.format not in (None, format_):
        raise UsageError(f"--format {args.format} does not go with --resume {args.resume}")
    return format_


def _emit_line(file: BinaryIO, line: str, result: Result, named: bool) -> None:
    _write_line(file, line)
    if named and result.error is not None:
        print(f"{printable(result.image)}: {printable(result.error)}", file=sys.stderr)


def _write_line(file: BinaryIO, line: str) -> None:
    """File names which are not UTF-8 are written as the bytes that they are. One write, so that lines stay whole."""
    file.write(line.encode("utf-8", "surrogateescape") + b"\n")
    file.flush()


@contextmanager
def _last_words(path: Path | None) -> Iterator[_Tally]:
    """Whatever ends the work early, say how much was done and how to go on."""
    tally = _Tally()
    try:
        yield tally
    except (KeyboardInterrupt, ServerUnavailableError, ModelUnavailableError, RequestError):
        how = "the same command goes on from there" if path else "with --resume FILE a run can be continued"
        print(f"stopped after {tally.done:,} images ({tally.failed:,} failed); {how}", file=sys.stderr)
        raise


# evaluate


def _evaluate(args: argparse.Namespace) -> int:
    if args.min_top1 is not None and not 0 <= args.min_top1 <= 1:
        raise UsageError(f"--min-top1 is {args.min_top1}; a share from 0 to 1 is wanted")
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
                    print(warning, file=sys.stderr)
    _print_scores(args.format, reports)
    scores = [score for score, _ in reports.values()]
    below = args.min_top1 is not None and not all(score.top1.value >= args.min_top1 for score in scores)
    if below:
        print(f"top-1 is below {args.min_top1}", file=sys.stderr)
    return EXIT_SOME_FAILED if below or any(score.failed for score in scores) else EXIT_DONE


def _evaluated_models(args: argparse.Namespace) -> list[str]:
    if args.model != "all":
        return list(dict.fromkeys(args.model.split(",")))
    transport = Servers([open_transport(url, arguments.connection(args)) for url in args.url.split(",")], args.patience)
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

    with terminal.progress(remaining, None) as advance, _last_words(args.resume) as tally:
        for one in outcomes(classifier, remaining(), arguments.options(args)):
            score.add(one)
            tally.add(one)
            if file:
                _write_line(file, one.as_json())
            if one.error:
                print(f"{printable(one.image)}: {printable(one.error)}", file=sys.stderr)
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


# compare, report


def _compare(args: argparse.Namespace) -> int:
    return command.compare(args, arguments.connection(args), terminal.console())


def _report(args: argparse.Namespace) -> int:
    return command.report(args, terminal.console())


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends the work as Ctrl-C does, so that shared memory is removed."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    status = main()
    if status in (EXIT_MISSING, EXIT_INTERRUPTED):
        # A request that hangs would keep Python from ending until its deadline.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
