"""python -m client classify | compare: the only place of the client that prints or ends the program."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.classifier import PATIENCE, Classifier
from client.contract import ModelContract, read_contract
from client.errors import ClientError, ServerUnavailableError, UsageError
from client.failover import Servers
from client.latency import Agreement, Latency, compare_answers, measure
from client.pipeline import DECODERS, Options
from client.preprocess import Preprocessing, preprocess
from client.present import FORMATS, as_csv, as_json, as_table, csv_header, printable, untrained_warning
from client.results import Result
from client.sources import expand
from client.transport import PROTOCOLS, Connection, Transport, open_transport

EXIT_DONE, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_MISSING, EXIT_INTERRUPTED = 0, 1, 2, 3, 130
# Wide enough for a label, its figure and its bar where the output is no terminal and has no width.
PIPE_WIDTH = 100
COMPARED_IMAGES = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status. argparse ends the program by itself for --help and for wrong words (2)."""
    # Pillow warns of odd files; whatever is wrong with a file is said in that image's result.
    warnings.filterwarnings("ignore", module="PIL")
    args = _parser().parse_args(arguments)
    try:
        return int(args.run(args))
    except ClientError as exc:
        print(f"error: {printable(str(exc))}{_remedy(exc)}", file=sys.stderr)
        return exc.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has had enough. Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_SOME_FAILED


def _remedy(exc: ClientError) -> str:
    if isinstance(exc, ServerUnavailableError):
        return "\nIs a server running there? Start one with: python -m serve"
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m client", description="Call an image classifier that Triton serves.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _classify_parser(commands.add_parser("classify", help="classify images"))
    _compare_parser(commands.add_parser("compare", help="compare the served models: speed and agreement"))
    return parser


def _connection_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--url",
        default="localhost",
        metavar="HOST:PORT[,…]",
        help="the server, or several with the same models (port: 8001 for grpc, 8000 for http)",
    )
    group.add_argument("--protocol", choices=PROTOCOLS, default="grpc", help="default: %(default)s")
    group.add_argument("--timeout", type=float, default=60.0, metavar="S", help="deadline of a request (%(default)s s)")
    group.add_argument(
        "--patience",
        type=float,
        default=PATIENCE,
        metavar="S",
        help="in the middle of the work, go on trying for this long while no server answers (%(default)s s)",
    )


def _classify_parser(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_classify)
    parser.add_argument("images", nargs="+", metavar="IMAGE|DIR|PATTERN|URL", help="what to classify")
    parser.add_argument("--model", metavar="NAME", help="default: the only one that is ready")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="predictions per image (%(default)s)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: %(default)s")
    _pipeline_options(parser)
    _connection_options(parser)


def _pipeline_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pipeline")
    group.add_argument("--batch-size", type=int, metavar="N", help="images per request (default: 8 or the maximum)")
    group.add_argument("--concurrency", type=int, default=4, metavar="N", help="requests in flight (%(default)s)")
    group.add_argument("--workers", type=int, metavar="N", help="decoding threads (default: one per CPU)")
    group.add_argument("--decode", choices=DECODERS, default="exact", help="fast: scale JPEGs while decoding them")
    group.add_argument("--ignore-orientation", action="store_true", help="do not turn images as their EXIF data says")


def _compare_parser(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_compare)
    parser.add_argument("images", nargs="*", metavar="IMAGE|DIR|URL", help="what to compare on (default: generated)")
    parser.add_argument("--models", default="all", metavar="A,B|all", help="default: all that are ready")
    parser.add_argument("--batch-sizes", type=_numbers, default=[1, 8], metavar="N,N", help="default: 1,8")
    parser.add_argument("--concurrency", type=_numbers, default=[1, 4], metavar="N,N", help="default: 1,4")
    parser.add_argument("--window", type=float, default=2.0, metavar="S", help="seconds per window (%(default)s)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write compare.json there")
    _connection_options(parser)


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise ValueError
    return numbers


def _connection(args: argparse.Namespace) -> Connection:
    return Connection(protocol=args.protocol, deadline=args.timeout)


def _console(file: TextIO) -> Console:
    return Console(file=file, width=None if file.isatty() else PIPE_WIDTH, highlight=False, soft_wrap=False)


# classify


def _classify(args: argparse.Namespace) -> int:
    options = Options(
        top=args.top,
        batch_size=args.batch_size,
        concurrency=args.concurrency,
        workers=args.workers,
        decode=args.decode,
        orient=not args.ignore_orientation,
    )
    with Classifier(args.url, args.model, connection=_connection(args), patience=args.patience) as classifier:
        results = classifier.run(expand(args.images), options)
        failed = _print_results(results, args.format, classifier.contract)
    return EXIT_SOME_FAILED if failed else EXIT_DONE


def _print_results(results: Iterator[Result], format_: str, contract: ModelContract) -> int:
    """Print every result as it comes; the number of images that failed."""
    warning = untrained_warning(contract)
    console = _console(sys.stdout)
    if format_ == "table":
        console.print(Text(f"{contract.name}", style="dim"))
    if warning:
        print(warning, file=sys.stdout if format_ == "table" else sys.stderr, flush=True)
    if format_ == "csv":
        print(csv_header())
    failed = 0
    for result in results:
        failed += result.error is not None
        if format_ == "table":
            console.print(as_table(result))
        else:
            _print_raw(as_json(result) if format_ == "json" else as_csv(result))
    return failed


def _print_raw(line: str) -> None:
    """File names which are not UTF-8 are written as the bytes that they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.buffer.flush()


# compare


def _compare(args: argparse.Namespace) -> int:
    transport = Servers([open_transport(url, _connection(args)) for url in args.url.split(",")], args.patience)
    try:
        contracts = _compared_models(transport, args.models)
        latencies, agreements = _measure_all(args, transport, contracts)
    finally:
        transport.close()
    console = _console(sys.stdout)
    for warning in filter(None, map(untrained_warning, contracts)):
        console.print(warning)
    console.print(_latency_table(latencies))
    if agreements:
        console.print(_agreement_table(agreements))
    if args.output:
        report = {
            "latency": [dataclasses.asdict(latency) for latency in latencies],
            "agreement": [dataclasses.asdict(agreement) for agreement in agreements],
        }
        args.output.mkdir(parents=True, exist_ok=True)
        (args.output / "compare.json").write_text(json.dumps(report, indent=2) + "\n")
    return EXIT_DONE


def _measure_all(
    args: argparse.Namespace, transport: Transport, contracts: list[ModelContract]
) -> tuple[list[Latency], list[Agreement]]:
    largest = max(args.batch_sizes)
    for contract in contracts:
        if largest > contract.max_batch_size:
            raise UsageError(f"batch size {largest}: {contract.name} takes at most {contract.max_batch_size} at once")
    tensors = _tensors(args.images, contracts[0].preprocessing, max(largest, COMPARED_IMAGES))
    agreements = compare_answers(transport, contracts, tensors[:COMPARED_IMAGES])
    latencies = [
        latency
        for size in args.batch_sizes
        for concurrency in args.concurrency
        for latency in measure(transport, contracts, tensors[:size], concurrency, args.window)
    ]
    return latencies, agreements


def _compared_models(transport: Transport, wanted: str) -> list[ModelContract]:
    ready = sorted({status.name for status in transport.models() if status.ready})
    names = ready if wanted == "all" else wanted.split(",")
    unknown = [name for name in names if name not in ready]
    if unknown or not names:
        raise UsageError(f"not ready on this server: {', '.join(unknown) or 'any model'}. Ready: {', '.join(ready)}")
    contracts = [read_contract(transport, name) for name in names]
    if len({contract.preprocessing for contract in contracts}) > 1:
        raise UsageError("the models prepare their images differently; choose with --models those that can be compared")
    return contracts


def _tensors(words: Sequence[str], spec: Preprocessing, count: int) -> NDArray[np.floating[Any]]:
    """[count, …]: the images, over again if they are fewer, or noise where there are none."""
    if not words:
        return np.random.default_rng(0).standard_normal((count, *spec.shape)).astype(spec.numpy_dtype)
    tensors = [preprocess(source.load(), spec) for source in islice(expand(words), count)]
    return np.stack([tensors[i % len(tensors)] for i in range(count)])


def _latency_table(latencies: Iterable[Latency]) -> Table:
    table = Table("model", title="Speed", title_justify="left")
    for column in ("batch", "concurrency", "images/s", "p50 ms", "p95 ms", "p99 ms", "requests"):
        table.add_column(column, justify="right")
    for row in latencies:
        figures = (f"{value:.1f}" for value in (row.images_per_second, row.p50, row.p95, row.p99))
        table.add_row(row.model, str(row.batch_size), str(row.concurrency), *figures, str(row.requests))
    return table


def _agreement_table(agreements: Iterable[Agreement]) -> Table:
    table = Table("model", "against", title="Agreement", title_justify="left")
    for column in ("worst probability difference", "top-1 agreement", "images"):
        table.add_column(column, justify="right")
    for row in agreements:
        table.add_row(row.model, row.reference, f"{row.worst_difference:.2e}", f"{row.top1:.1%}", str(row.images))
    return table


if __name__ == "__main__":
    sys.exit(main())
