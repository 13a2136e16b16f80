"""What several verbs share: types of words, groups of options, and what these mean to the library."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tritonrepo.client.connection import COMPRESSIONS, PATIENCE, PROTOCOLS, Connection, Tls
from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import DECODERS, Options

if TYPE_CHECKING:
    from tritonrepo.client.classifier import Classifier

HEADERS_VARIABLE = "TRITON_CLIENT_HEADERS"


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A type: a whole number from `low` to `high`."""

    def number(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,19}", text, re.ASCII) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from {low} to {high}")
        return int(text)

    return number


def whole_numbers(text: str) -> list[int]:
    """A type: whole numbers from 1, separated by commas."""
    return [whole_number(1, 1_000_000)(part.strip()) for part in text.split(",")]


def positive_number(text: str) -> float:
    """A type: a number above 0; `inf` is one."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number above 0")
    return number


def positive_numbers(text: str) -> list[float]:
    """A type: numbers above 0, separated by commas."""
    return [positive_number(part.strip()) for part in text.split(",")]


def share(text: str) -> float:
    """A type: 5% and 0.05 are the same."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a share from 0 to below 1, such as 0.05 or 5%")
    return value


def add_pipeline_options(parser: argparse.ArgumentParser) -> None:
    """How images are prepared and sent; `options` reads them."""
    group = parser.add_argument_group("pipeline")
    group.add_argument("--batch-size", type=int, metavar="N", help="images per request (default: 8 or the maximum)")
    group.add_argument("--concurrency", type=int, default=4, metavar="N", help="requests in flight (%(default)s)")
    group.add_argument("--workers", type=int, metavar="N", help="decoding threads (default: one per CPU)")
    group.add_argument("--decode", choices=DECODERS, default="exact", help="fast: scale JPEGs while decoding them")
    group.add_argument("--ignore-orientation", action="store_true", help="do not turn images as their EXIF data says")


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Which server, and how; `connection` and `classifier` read them."""
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


def options(args: argparse.Namespace) -> Options:
    """What the pipeline options say; the rest is the default. Raises `UsageError`."""
    return Options(
        batch_size=args.batch_size,
        concurrency=args.concurrency,
        workers=args.workers,
        decode=args.decode,
        orient=not args.ignore_orientation,
    )


def connection(args: argparse.Namespace) -> Connection:
    """What the connection options say. Raises `UsageError`."""
    secure = args.tls or args.ca or args.cert or args.key
    return Connection(
        protocol=args.protocol,
        deadline=args.timeout,
        tls=Tls(args.ca, args.cert, args.key) if secure else None,
        headers=_headers(args.headers),
        compression=args.compression,
    )


def classifier(args: argparse.Namespace, model: str | None) -> Classifier:
    """Raises what `Classifier` raises, and `UsageError`."""
    from tritonrepo.client.classifier import Classifier

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
