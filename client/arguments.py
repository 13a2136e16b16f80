"""The command line's words, and what they mean to the library."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from client.classifier import PATIENCE, Classifier
from client.compare.agreement import TOLERANCE
from client.compare.decision import MAX_SLOWDOWN
from client.errors import UsageError
from client.pipeline import DECODERS, Options
from client.present import FORMATS
from client.transport import COMPRESSIONS, PROTOCOLS, Connection, Tls

HEADERS_VARIABLE = "TRITON_CLIENT_HEADERS"
Command = Callable[[argparse.Namespace], int]


def parser(classify: Command, compare: Command, report: Command, evaluate: Command) -> argparse.ArgumentParser:
    """The parser; `args.run` is the command that was chosen."""
    parser = argparse.ArgumentParser("python -m client", description="Call an image classifier that Triton serves.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _classify(commands.add_parser("classify", help="classify images"), classify)
    _compare(commands.add_parser("compare", help="compare the served models: speed and agreement"), compare)
    _report(commands.add_parser("report", help="draw a stored comparison again"), report)
    _evaluate(commands.add_parser("evaluate", help="accuracy over images whose class is known"), evaluate)
    return parser


def _classify(parser: argparse.ArgumentParser, run: Command) -> None:
    parser.set_defaults(run=run)
    parser.add_argument("images", nargs="+", metavar="IMAGE|DIR|PATTERN|URL", help="what to classify")
    parser.add_argument("--model", metavar="NAME", help="default: the only one that is ready, in its fastest format")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="predictions per image (%(default)s)")
    parser.add_argument("--format", choices=FORMATS, help="default: table; with --resume, by the file's name")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="a label a line, instead of the server's")
    parser.add_argument("--server-top-n", action="store_true", help="the server picks the best classes: scores only")
    parser.add_argument("--gallery", type=Path, metavar="HTML", help="also write one self-contained page")
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="write to this .jsonl or .csv file, and go on where it ends if it is there",
    )
    _pipeline_options(parser)
    _connection_options(parser)


def _compare(parser: argparse.ArgumentParser, run: Command) -> None:
    parser.set_defaults(run=run)
    parser.add_argument("images", nargs="*", metavar="IMAGE|DIR|URL", help="what to compare on (default: generated)")
    parser.add_argument("--models", default="all", metavar="A,B|all", help="default: all that are ready")
    parser.add_argument("--reference", metavar="NAME", help="what the others have to agree with (default: the first)")
    load = parser.add_argument_group("load")
    load.add_argument("--batch-sizes", type=_numbers, default=[1, 8], metavar="N,N", help="default: 1,8")
    load.add_argument("--concurrency", type=_numbers, default=[1, 4], metavar="N,N", help="closed loop; default: 1,4")
    load.add_argument(
        "--request-rate", type=_rates, default=[], metavar="R,R", help="open loop instead: so many requests a second"
    )
    load.add_argument(
        "--distribution", choices=("constant", "poisson"), default="constant", help="of the open loop's requests"
    )
    load.add_argument("--window", type=float, default=2.0, metavar="S", help="seconds per window (%(default)s)")
    load.add_argument("--windows", type=int, default=5, metavar="N", help="windows of a cell (%(default)s)")
    load.add_argument("--max-windows", type=int, default=8, metavar="N", help="of an unstable cell (%(default)s)")
    load.add_argument(
        "--stability", type=_share, default=0.1, metavar="P%", help="how far a stable cell's last windows differ (10%%)"
    )
    load.add_argument("--engine", choices=("python", "perf_analyzer"), default="python", help="default: %(default)s")
    load.add_argument("--perf-analyzer", metavar="PATH", help="NVIDIA's program (default: from the PATH)")
    load.add_argument(
        "--repository", type=Path, metavar="DIR", help="the server's, if it is here: adds the models' manifests"
    )
    _report_options(parser)
    _connection_options(parser)


def _report(parser: argparse.ArgumentParser, run: Command) -> None:
    parser.set_defaults(run=run)
    parser.add_argument("run_file", type=Path, metavar="COMPARE.JSON", help="what `compare --output` wrote")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="renew the performance section of this file")
    _report_options(parser)


def _report_options(parser: argparse.ArgumentParser) -> None:
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
        type=_share,
        metavar="P%",
        help="exit status 1 if a cell is worse by more than that, and significantly so",
    )
    group.add_argument("--output", type=Path, metavar="DIR", help="write compare.json, compare.csv, report.html, plots")
    group.add_argument("--no-plots", action="store_true", help="for --output without matplotlib")
    group.add_argument("--format", choices=FORMATS, default="table", help="on standard output (%(default)s)")


def _evaluate(parser: argparse.ArgumentParser, run: Command) -> None:
    parser.set_defaults(run=run)
    parser.add_argument(
        "dataset", type=Path, metavar="DIR|CSV", help="folders named by class, or a csv with the columns image, label"
    )
    parser.add_argument("--model", default="all", metavar="A,B|all", help="default: all that are ready")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default: %(default)s")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="a label a line, instead of the server's")
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="worst mistakes to list (%(default)s)")
    parser.add_argument("--min-top1", type=float, metavar="0..1", help="exit status 1 if a model's top-1 is below")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keep each image's outcome in this .jsonl file")
    _pipeline_options(parser)
    _connection_options(parser)


def _pipeline_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pipeline")
    group.add_argument("--batch-size", type=int, metavar="N", help="images per request (default: 8 or the maximum)")
    group.add_argument("--concurrency", type=int, default=4, metavar="N", help="requests in flight (%(default)s)")
    group.add_argument("--workers", type=int, metavar="N", help="decoding threads (default: one per CPU)")
    group.add_argument("--decode", choices=DECODERS, default="exact", help="fast: scale JPEGs while decoding them")
    group.add_argument("--ignore-orientation", action="store_true", help="do not turn images as their EXIF data says")


def _connection_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--url",
        default="localhost",
        metavar="HOST:PORT[,…]",
        help="the server, or several with the same models (port: 8001 for grpc, 8000 for http)",
    )
    group.add_argument("--protocol", choices=PROTOCOLS, default="grpc", help="default: %(default)s")
    group.add_argument("--timeout", type=float, default=60.0, metavar="S", help="deadline of a request (%(default)s)")
    group.add_argument(
        "--patience",
        type=float,
        default=PATIENCE,
        metavar="S",
        help="in the middle of the work, go on trying for this long while no server answers (%(default)s)",
    )
    group.add_argument("--compression", choices=COMPRESSIONS, help="of requests and answers (default: none)")
    group.add_argument("--shared-memory", action="store_true", help="for a server on this host")
    group.add_argument("--tls", action="store_true", help="encrypt; implied by the next three")
    group.add_argument("--ca", type=Path, metavar="PEM", help="who signs the server (default: the system's list)")
    group.add_argument("--cert", type=Path, metavar="PEM", help="the client's certificate, for mutual TLS")
    group.add_argument("--key", type=Path, metavar="PEM", help="its private key")
    group.add_argument(
        "--headers",
        type=Path,
        metavar="FILE",
        help=f"a `Name: value` a line, such as an API key; also from ${HEADERS_VARIABLE}. Not from the command line, "
        "which everybody on the machine can read",
    )


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise ValueError
    return numbers


def _rates(text: str) -> list[float]:
    rates = [float(part) for part in text.split(",")]
    if not min(rates) > 0:
        raise ValueError
    return rates


def _share(text: str) -> float:
    """5% and 0.05 are the same."""
    share = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    if not 0 <= share < 1:
        raise ValueError
    return share


def options(args: argparse.Namespace) -> Options:
    """What the pipeline options say; the rest is the default. Raises UsageError."""
    return Options(
        batch_size=args.batch_size,
        concurrency=args.concurrency,
        workers=args.workers,
        decode=args.decode,
        orient=not args.ignore_orientation,
    )


def connection(args: argparse.Namespace) -> Connection:
    """Raises UsageError."""
    secure = args.tls or args.ca or args.cert or args.key
    return Connection(
        protocol=args.protocol,
        deadline=args.timeout,
        tls=Tls(args.ca, args.cert, args.key) if secure else None,
        headers=_headers(args.headers),
        compression=args.compression,
    )


def classifier(args: argparse.Namespace, model: str | None) -> Classifier:
    """Raises what Classifier raises, and UsageError."""
    return Classifier(
        args.url,
        model,
        connection=connection(args),
        labels=_lines(args.labels) if args.labels else None,
        patience=args.patience,
        shared_memory=args.shared_memory,
    )


def _headers(path: Path | None) -> dict[str, str]:
    lines = [*os.environ.get(HEADERS_VARIABLE, "").splitlines(), *(_lines(path) if path else [])]
    return dict(_header(line) for line in lines if line.strip() and not line.startswith("#"))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or not name.strip().isascii():
        # Not the line itself: it may be a secret.
        raise UsageError("a header line is not `Name: value`")
    return name.strip(), value.strip()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
